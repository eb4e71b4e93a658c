"""Parameter counts against the documents' figures and torchvision's own network."""

import pytest
import torch

from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.families.network import infeasible, n_parameters


def count(n_classes: int, **params: Value) -> int:
    config = config_from_params(params, source="x", image_size=224, epochs=1, seed=0, data_seed=0)
    return n_parameters(config.network, channels=3, image_size=224, n_classes=n_classes)


@pytest.mark.parametrize(
    ("family", "expected"), [("vgg", 6_625_101), ("resnet", 4_088_837), ("mobilenet", 563_173)]
)
def test_a_family_by_its_name_alone_is_the_painters_network(family: str, expected: int) -> None:
    assert count(5, family=family) == expected


def test_a_whole_densenet_is_torchvisions() -> None:
    from torchvision.models import densenet121

    with torch.device("meta"):
        whole = densenet121(num_classes=8)
    assert count(8, family="densenet") == sum(weight.numel() for weight in whole.parameters())


@pytest.mark.parametrize(("cut", "width"), [(1, 512), (2, 256), (3, 128)])
def test_a_cut_densenet_lacks_what_follows_the_transition(cut: int, width: int) -> None:
    from torchvision.models import densenet121

    with torch.device("meta"):
        whole = densenet121()
    gone = [f"denseblock{number}" for number in range(5 - cut, 5)]
    gone += [f"transition{number}" for number in range(5 - cut, 4)]
    kept = [
        weight.numel()
        for name, weight in whole.features.named_parameters()
        if name.partition(".")[0] not in (*gone, "norm5")
    ]
    assert count(8, family="densenet", cut=cut) == sum(kept) + width * 8 + 8
    with_dense = count(8, family="densenet", cut=cut, dense_depth=1, dense_width=1024)
    assert with_dense == sum(kept) + width * 1024 + 1024 + 1024 * 8 + 8


@pytest.mark.parametrize(("family", "expected"), [("vgg", "block 4"), ("densenet", "block 2")])
def test_images_that_pooling_would_make_nothing_of_are_named(family: str, expected: str) -> None:
    config = config_from_params(
        {"family": family}, source="x", image_size=8, epochs=1, seed=0, data_seed=0
    )
    reason = infeasible(config.network, 8)
    assert reason is not None
    assert reason.startswith(f"{expected}: pooling by 2")


@pytest.mark.parametrize("family", ["resnet", "mobilenet"])
def test_strides_leave_a_pixel_of_any_image(family: str) -> None:
    config = config_from_params(
        {"family": family}, source="x", image_size=8, epochs=1, seed=0, data_seed=0
    )
    assert infeasible(config.network, 8) is None
