"""Both sides of the throughput benchmark must be the same network, or its ratio says nothing."""

import pytest

from benchmarks.experiments import AUGMENTATION, EXPERIMENTS
from benchmarks.roofline import flop_per_image
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.families.network import n_parameters
from tests.mame_cnn.factory import plain_of


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("image_size", [64, 256])
def test_both_sides_train_as_many_weights(name: str, image_size: int) -> None:
    experiment = EXPERIMENTS[name]
    config = config_from_params(
        {**experiment.params(), **AUGMENTATION},
        source="digits",
        image_size=image_size,
        epochs=1,
        seed=0,
        data_seed=0,
    )
    plain = experiment.plain(image_size, n_classes=29)
    ours = n_parameters(config.network, channels=3, image_size=image_size, n_classes=29)
    assert ours == sum(parameter.numel() for parameter in plain.parameters())
    assert [block.l2 for block in plain_of(config).blocks] == list(experiment.l2)


def test_operations_are_those_of_hand_arithmetic() -> None:
    # Multiply-adds of experiment 7's convolutions at 64 pixels, and of its dense layers.
    widths, sizes = (3, 16, 32, 64, 128), (64, 32, 16, 8)
    pairs = zip(widths, widths[1:], sizes, strict=False)
    by_layer = [9 * n_in * n_out * size**2 for n_in, n_out, size in pairs]
    dense = 128 * 4 * 4 * 64 + 64 * 29
    # Forward, and twice backward, but for the gradient of the images, which nobody needs.
    expected = 2 * (3 * (sum(by_layer) + dense) - by_layer[0])
    assert flop_per_image(EXPERIMENTS["7"].plain(64, 29), 64) == expected
