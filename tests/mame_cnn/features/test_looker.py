from pathlib import Path
from typing import Any

import pytest
import torch

from commands.errors import UserError
from mame_cnn.families.network import CohortNetwork, build_network
from mame_cnn.features.layers import chosen, find_layers
from mame_cnn.features.looker import open_looker
from mame_cnn.features.traceable import traceable
from mame_cnn.pretrained.backbones import IMAGENET_MEAN, IMAGENET_STD
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config
from tests.mame_cnn.families.small import IMAGE_SIZE, SMALL, small
from tests.mame_cnn.features.made_up import CPU, run_of
from tests.mame_cnn.pretrained.files import (
    mobilenet,
    sha256,
    transfer_config,
    write_own,
    write_torchvision,
)
from tests.mame_cnn.small_models import make_images


def born(config: Any, image_size: int) -> CohortNetwork:
    """Return a network with drawn weights, and statistics that are not those of its birth."""
    network = build_network([config.network], channels=3, image_size=image_size, n_classes=3)
    random = generator(1, "weights")
    network.initialise([random])
    for buffer in network.buffers():
        buffer.copy_(0.5 + torch.rand(buffer.shape, generator=random))
    return network.eval()


def check_same(network: CohortNetwork, image_size: int) -> None:
    images = torch.randn(2, 3, image_size, image_size)
    with torch.inference_mode():
        expected = network(images)[0]
        alone = traceable(network).eval()
        torch.testing.assert_close(alone(images).reshape(2, 3), expected)
    assert len(find_layers(alone, (3, image_size, image_size))) > 2


@pytest.mark.parametrize("family", ["plain", *SMALL])
def test_a_network_of_any_family_computes_the_same_once_it_can_be_traced(family: str) -> None:
    params: dict[str, Any] = {} if family == "plain" else small(family)

    check_same(born(make_config(image_size=IMAGE_SIZE, **params), IMAGE_SIZE), IMAGE_SIZE)


def test_a_network_that_sees_metadata_is_looked_at_as_if_nobody_told_any() -> None:
    check_same(born(make_config(image_size=IMAGE_SIZE, metadata="size"), IMAGE_SIZE), IMAGE_SIZE)


@pytest.mark.parametrize("unfreezing", [(), ({"after_epochs": 1, "from_block": 2, "lr": 1e-3},)])
def test_so_does_a_head_on_a_backbone(tmp_path: Path, unfreezing: Any) -> None:
    path = tmp_path / "source.safetensors"
    backbone, digits = write_own(path)

    check_same(born(transfer_config(backbone, path, digits, unfreezing=unfreezing), 8), 8)


def test_activations_are_looked_at_before_their_pooling(tmp_path: Path) -> None:
    folder, _ = run_of(tmp_path / "run", depth=2, pool_size=2)

    looker = open_looker(str(folder), CPU)

    assert [layer.map_px for layer in looker.layers] == [16, 8, 0]
    assert [layer.output for layer in looker.layers] == [
        *("blocks.0.activation1", "blocks.1.activation1", "dense.activation1")
    ]


def test_images_are_normalised_as_in_the_network_s_training(tmp_path: Path) -> None:
    folder, model = run_of(tmp_path / "run")
    images = torch.from_numpy(make_images(2, 16))

    shown = open_looker(str(folder), CPU).shown(images)

    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (model.mean, model.std))
    torch.testing.assert_close(shown, (images.permute(0, 3, 1, 2) / 255 - mean) / std)


def test_grey_images_are_shown_to_a_network_for_colours_in_each_of_them(tmp_path: Path) -> None:
    folder, _ = run_of(tmp_path / "run")
    looker = open_looker(str(folder), CPU)
    grey = torch.from_numpy(make_images(2, 16))[..., :1]

    looker.check_channels(1, "digits")

    torch.testing.assert_close(looker.shown(grey), looker.shown(grey.repeat(1, 1, 1, 3)))
    with pytest.raises(UserError, match=r"has images of 2 channels; .* takes 3"):
        looker.check_channels(2, "data")


def test_a_backbone_is_read_from_a_file_of_torchvisions_and_sees_as_it_was_trained(
    tmp_path: Path,
) -> None:
    model, path = mobilenet(), tmp_path / "mobilenet_v2.pth"
    digits = write_torchvision(path, model)
    images = torch.from_numpy(make_images(2, 32))

    looker = open_looker("mobilenet_v2", CPU, weights=str(path), sha256=digits[:8], image_size=32)

    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    plain = (images.permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        torch.testing.assert_close(looker.network(looker.shown(images)), model(plain))
    assert looker.is_pretrained
    assert chosen(looker.layers, ["last"], "")[0].n_features == 1280


def test_a_backbone_with_other_weights_or_another_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet_v2.pth"
    write_torchvision(path, mobilenet())

    with pytest.raises(UserError, match="not the weights of resnet50"):
        open_looker("resnet50", CPU, weights=str(path))
    with pytest.raises(UserError, match=f"SHA-256 is {sha256(path)}"):
        open_looker("mobilenet_v2", CPU, weights=str(path), sha256="0123abcd")
    with pytest.raises(UserError, match="no such file"):
        open_looker("mobilenet_v2", CPU, weights=str(tmp_path / "none.pth"))


def test_images_that_a_network_cannot_take_are_refused(tmp_path: Path) -> None:
    folder, _ = run_of(tmp_path / "run")

    with pytest.raises(UserError, match="image size 16: vgg16 takes images of 32 to 1024 px"):
        open_looker("vgg16", CPU, image_size=16)
    with pytest.raises(UserError, match="was trained on images of 16 px and takes no others"):
        open_looker(str(folder), CPU, image_size=32)


def test_what_is_no_network_is_refused_with_the_nearest_backbone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"resnet5: neither .*; did you mean resnet50\?"):
        open_looker("resnet5", CPU)
    with pytest.raises(UserError, match="expected the folder of a run"):
        open_looker(str(tmp_path), CPU)


def test_weights_are_of_backbones_alone(tmp_path: Path) -> None:
    folder, _ = run_of(tmp_path / "run")

    with pytest.raises(UserError, match="--weights: belong to a backbone"):
        open_looker(str(folder), CPU, weights="vgg16.pth")
