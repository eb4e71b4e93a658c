"""Reference networks other than MAMe's, against documents' counts and torchvision's networks."""

import pytest
import torch
import torchvision
from torch import nn

from mame_cnn.reference import Reference
from tests.mame_cnn.reference_table import table_of


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("painters-vgg", 6_625_101),
        ("painters-resnet29", 4_088_837),
        ("painters-mobilenetv2", 563_173),
    ],
)
def test_the_painters_networks_have_exactly_the_weights_that_their_tables_give(
    references: dict[str, Reference], name: str, parameters: int
) -> None:
    reference = references[name]
    assert reference.parameters == parameters
    assert sum(row.n_parameters for row in table_of(reference)) == parameters


def sides(reference: Reference) -> list[int]:
    """Return the sides of the maps, each once, in the order of computation."""
    return list(
        dict.fromkeys(
            row.shape[1] for row in table_of(reference) if len(row.shape) == 3 and row.shape[1] > 1
        )
    )


def test_the_painters_maps_shrink_as_the_documents_say(references: dict[str, Reference]) -> None:
    assert sides(references["painters-vgg"]) == [224, 112, 56, 28, 14]
    assert sides(references["painters-resnet29"]) == [112, 56, 28, 14]
    assert sides(references["painters-mobilenetv2"]) == [112, 56, 28, 14]


@pytest.mark.parametrize("name", ["vgg", "resnet29", "mobilenetv2"])
def test_the_painters_are_trained_as_the_documents_say(
    references: dict[str, Reference], name: str
) -> None:
    config = references[f"painters-{name}"].config
    assert config is not None
    assert (config.data.image_size, config.data.normalisation) == (224, "image")
    training = config.training
    assert (training.batch_size, training.epochs, training.patience_epochs) == (32, 50, 0)
    assert (training.optimizer.name, training.optimizer.lr) == ("adam", 1e-3)
    assert training.schedule.model_dump() == {
        "name": "exponential",
        "rate": 0.05,
        "after_epochs": 10,
    }
    assert (training.class_weights, training.initial_bias) == ("balanced", "frequencies")
    on = {name: value for name, value in config.augmentation.model_dump().items() if value}
    assert on == {"flip_horizontal": 0.5, "color_pca_sd": 0.1}


def densenet_by_torchvision(cut: int, *, dense: int | None) -> int:
    """Count the weights of torchvision's DenseNet-121 up to the transition before the cut."""
    with torch.device("meta"):
        features: nn.Sequential = torchvision.models.densenet121().features
    names = [name for name, _ in features.named_children()]
    end = len(names) if cut == 0 else names.index(f"transition{4 - cut}") + 1
    kept = features[:end]
    channels = {0: 1024, 1: 512, 2: 256, 3: 128}[cut]
    head = channels * 8 + 8
    if dense is not None:
        head = channels * dense + dense + dense * 8 + 8
    return sum(weight.numel() for weight in kept.parameters()) + head


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("dense", [None, 1024])
def test_a_cut_densenet_has_the_weights_of_what_torchvisions_keeps(
    references: dict[str, Reference], cut: int, dense: int | None
) -> None:
    reference = references[f"scenes-densenet-cut{cut}{'-dense' if dense else ''}"]
    assert reference.parameters == densenet_by_torchvision(cut, dense=dense)
    rounded = reference.origin.published_parameters
    if rounded is not None:
        assert reference.parameters == pytest.approx(rounded, rel=0.06)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        # The last map of VGG16 at 256 pixels: 512 x 8 x 8 = 32,768.
        ("1", 32_768 * 512 + 512 + 512 * 512 + 512 + 512 * 29 + 29),
        ("2", 2 * 32_768 + 32_768 * 512 + 512 + 512 * 512 + 512 + 512 * 29 + 29),
        ("3", 2 * 32_768 + 32_768 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 29 + 29),
    ],
)
def test_a_head_on_vgg16_has_the_weights_of_its_layers(
    references: dict[str, Reference], name: str, by_hand: int
) -> None:
    reference = references[f"vgg16-head-{name}"]
    assert reference.parameters == by_hand
    assert reference.config is not None
    assert not reference.config.from_scratch
    training = reference.config.training
    assert (training.patience_epochs, training.patience_on) == (20, "loss")


def test_unfreezing_everything_adds_all_thirteen_convolutions(
    references: dict[str, Reference],
) -> None:
    with torch.device("meta"):
        vgg16 = torchvision.models.vgg16().features
    convolutions = sum(weight.numel() for weight in vgg16.parameters())
    head = references["vgg16-head-3"].parameters
    assert references["vgg16-head-3-steps"].parameters == head + convolutions
