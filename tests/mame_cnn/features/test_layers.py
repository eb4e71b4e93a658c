import pytest
import torch
from torch import Tensor, nn

from commands.errors import UserError
from mame_cnn.features.layers import Layer, chosen, extractor, find_layers
from mame_cnn.pretrained.backbones import BACKBONES

COUNTS = {"all": 12_416, "convolutions": 4_224, "block_ends": 1_472, "last": 512}
"""Of VGG16, in the documents of the MAMe experiments."""


@pytest.fixture(scope="module")
def vgg16() -> tuple[Layer, ...]:
    return find_layers(BACKBONES["vgg16"].model().eval(), (3, 224, 224))


@pytest.mark.parametrize(("name", "n_features"), COUNTS.items())
def test_the_sets_of_vgg16_have_the_documents_numbers_of_features(
    vgg16: tuple[Layer, ...], name: str, n_features: int
) -> None:
    assert sum(layer.n_features for layer in chosen(vgg16, [name], "vgg16")) == n_features


def test_the_layers_of_vgg16_have_the_documents_names(vgg16: tuple[Layer, ...]) -> None:
    n_convolutions = (2, 2, 3, 3, 3)

    assert [layer.name for layer in vgg16] == [
        f"block{block}_conv{number}"
        for block, n in enumerate(n_convolutions, start=1)
        for number in range(1, n + 1)
    ] + ["fc1", "fc2"]
    assert sum(layer.n_features for layer in chosen(vgg16, ["block5_conv3"], "vgg16")) == 512


def test_a_layer_answers_to_the_name_in_the_graph_too(vgg16: tuple[Layer, ...]) -> None:
    assert chosen(vgg16, ["features.28"], "vgg16") == chosen(vgg16, ["block5_conv3"], "vgg16")


def test_names_and_sets_that_overlap_are_taken_once_and_in_the_network_s_order(
    vgg16: tuple[Layer, ...],
) -> None:
    names = [layer.name for layer in chosen(vgg16, ["fc1", "last", "block5_conv3"], "vgg16")]

    assert names == ["block5_conv3", "fc1"]


def test_unknown_layers_are_all_named_with_the_nearest_ones(vgg16: tuple[Layer, ...]) -> None:
    with pytest.raises(UserError) as raised:
        chosen(vgg16, ["block5_conv4", "fc2", "convolution"], "vgg16")

    first, second, *rest = str(raised.value).splitlines()
    assert first.startswith("layers: block5_conv4: vgg16 has no such layer; did you mean")
    assert "block5_conv3" in first
    assert "convolutions" in second
    assert "block1_conv1" in rest[0]


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_layers_of_every_backbone_are_found(name: str) -> None:
    backbone = BACKBONES[name]

    layers = find_layers(backbone.model().eval(), (3, 224, 224))

    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names) > 10
    assert all(layer.n_features > 0 for layer in layers)
    assert [layer.map_px for layer in layers if layer.map_px][-1] == (14 if "vgg" in name else 7)


class _Net(nn.Module):
    """Convolution, normalisation, activation; then two dense layers, of which one is the last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)
        self.bare = nn.Conv2d(4, 6, 1)
        self.hidden = nn.Linear(6, 5)
        self.output = nn.Linear(5, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(torch.relu(self.norm(self.conv(images))))
        vectors = self.bare(maps).mean((2, 3))
        logits: Tensor = self.output(torch.relu(self.hidden(vectors)))
        return logits


def test_a_layer_speaks_after_its_normalisation_and_activation_but_before_its_pooling() -> None:
    torch.manual_seed(0)
    network = _Net().eval()
    layers = find_layers(network, (3, 8, 8))
    images = torch.randn(2, 3, 8, 8)

    outputs = extractor(network, layers)(images)

    maps = torch.relu(network.norm(network.conv(images)))
    bare = network.bare(network.pool(maps))
    hidden = torch.relu(network.hidden(bare.mean((2, 3))))
    assert [(layer.name, layer.n_features, layer.map_px) for layer in layers] == [
        *(("block1_conv1", 4, 6), ("block2_conv1", 6, 3), ("fc1", 5, 0))
    ]
    for layer, expected in zip(layers, (maps, bare, hidden), strict=True):
        torch.testing.assert_close(outputs[layer.node], expected)


def test_an_activation_that_others_use_as_well_is_followed_no_further() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            maps: Tensor = self.conv(images)
            return torch.relu(maps) + maps

    [layer] = find_layers(Branching().eval(), (1, 4, 4))

    assert layer.output == "conv"


def test_a_network_without_layers_of_a_set_is_refused() -> None:
    layers = find_layers(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval(), (3, 2, 2))
    assert layers == ()
    with pytest.raises(UserError, match="tiny has none of these: all"):
        chosen(layers, ["all"], "tiny")
