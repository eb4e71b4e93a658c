"""The blocks of torchvision's networks, one after the other, are these networks' features."""

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from mame_cnn.configuration.pretrained import BACKBONE_BLOCKS
from mame_cnn.pretrained.backbones import BACKBONES, file_name

SIDE = 40  # pixels: more than each of them needs


def with_weights(name: str) -> nn.Module:
    """Return the network with random weights, its large classifier left without content."""
    model = BACKBONES[name].model()
    random = torch.Generator().manual_seed(0)
    for part, module in model.named_children():
        if part in ("classifier", "fc"):
            continue
        module.to_empty(device="cpu")
        for key, tensor in module.state_dict().items():
            if key.endswith("num_batches_tracked"):
                tensor.zero_()
            elif key.endswith("running_var") or tensor.ndim == 1:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random))
            else:
                fan_in = tensor[0].numel()
                tensor.copy_(torch.randn(tensor.shape, generator=random) * (2 / fan_in) ** 0.5)
    return model.eval()


def features(name: str, model: nn.Module, images: Tensor) -> Tensor:
    """Return what torchvision's own forward pass has before the global average."""
    parts = ["features"]
    if name == "resnet50":
        parts = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]
    maps = images
    for part in parts:
        maps = model.get_submodule(part)(maps)
    return torch.relu(maps) if name == "densenet121" else maps


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "densenet121"])
def test_blocks_in_a_row_compute_the_features_of_the_network(name: str) -> None:
    model = with_weights(name)
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = features(name, model, images)
        maps = images
        for block in BACKBONES[name].split(model):
            maps = block.eval()(maps)
    torch.testing.assert_close(maps, expected)


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "mobilenet_v2", "efficientnet_v2_s"])
def test_blocks_in_a_row_are_the_layers_of_the_features(name: str) -> None:
    model = BACKBONES[name].model()
    layers = [layer for block in BACKBONES[name].blocks(model) for layer in block]
    assert layers == list(model.get_submodule("features").children())


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_has_the_blocks_that_a_configuration_may_name(name: str) -> None:
    backbone = BACKBONES[name]
    assert len(backbone.split(backbone.model())) == BACKBONE_BLOCKS[name]


@pytest.mark.parametrize(("name", "width"), [("vgg16", 512), ("resnet50", 2048)])
def test_each_block_but_the_stem_halves_the_map(name: str, width: int) -> None:
    maps, sizes = torch.empty(1, 3, 224, 224, device="meta"), []
    backbone = BACKBONES[name]
    for block in backbone.split(backbone.model()):
        maps = block.eval()(maps)
        sizes.append(maps.shape[-1])
    assert sizes == ([112, 56, 28, 14, 7] if name == "vgg16" else [56, 56, 28, 14, 7])
    assert maps.shape[1] == width


@pytest.mark.parametrize("name", BACKBONES)
def test_the_smallest_image_is_that_of_torchvision(name: str) -> None:
    for weights in BACKBONES[name].weights:
        assert weights.meta["min_size"] == (BACKBONES[name].smallest_px,) * 2


def test_weights_are_told_apart_by_the_digits_in_their_files_names() -> None:
    released = BACKBONES["resnet50"].released
    assert list(released) == ["0676ba61", "11ad3fa6"]
    assert file_name(released["11ad3fa6"]) == "resnet50-11ad3fa6.pth"


def test_nothing_in_a_block_draws_from_the_global_generator() -> None:
    backbone = BACKBONES["efficientnet_v2_s"]
    blocks = backbone.split(backbone.model())
    kinds = {type(module).__name__ for block in blocks for module in block.modules()}
    assert not kinds & {"StochasticDepth", "Dropout"}


def test_all_backbones_of_torchvision_that_are_named_exist() -> None:
    assert set(BACKBONES) <= set(models.list_models())
