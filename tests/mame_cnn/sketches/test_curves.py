import math

import numpy as np
import pytest
from PIL import Image, ImageColor

from mame_cnn.sketches.curves import TRAIN, VAL, learning_curves, ticks
from tests.mame_cnn.sketches.made_up import epochs

_HEAD_PX = 32  # where the legend is, in the colours of the curves


def places(picture: Image.Image, colour: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels of a colour, below the legend."""
    pixels = np.asarray(picture)
    rows, columns = np.nonzero((pixels == ImageColor.getrgb(colour)).all(2))
    is_below = rows > _HEAD_PX
    return rows[is_below], columns[is_below]


def left_half(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 0, picture.width // 2, picture.height))


def test_a_rising_accuracy_rises_and_its_loss_falls() -> None:
    picture = learning_curves(epochs([0.2, 0.4, 0.6, 0.7]))
    right = picture.crop((picture.width // 2, 0, picture.width, picture.height))
    for half, sign in ((left_half(picture), -1), (right, 1)):
        rows, columns = places(half, VAL)
        assert np.sign(np.corrcoef(columns, rows)[0, 1]) == sign


def test_the_higher_curve_lies_above() -> None:
    picture = left_half(learning_curves(epochs([0.5, 0.6, 0.7])))
    assert places(picture, VAL)[0].mean() < places(picture, TRAIN)[0].mean() - 10


@pytest.mark.parametrize("n_epochs", [1, 2, 300])
def test_any_number_of_epochs_is_drawn(n_epochs: int) -> None:
    picture = left_half(learning_curves(epochs([0.5] * n_epochs)))
    assert len(places(picture, VAL)[0]) > 10
    assert len(places(picture, TRAIN)[0]) > 10


def test_what_is_no_number_is_left_out() -> None:
    results = epochs([0.2, 0.4, 0.6], train_loss=math.nan, val_loss=math.inf)
    picture = learning_curves(results)
    assert len(places(left_half(picture), VAL)[0]) > 10
    right = picture.crop((picture.width // 2, 0, picture.width, picture.height))
    assert len(places(right, VAL)[0]) == 0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.13, 0.71, [0.2, 0.4, 0.6]),
        (1, 30, [10, 20, 30]),
        (-3, 12, [0, 5, 10]),
        (0.7, 0.7001, [0.7, 0.70002, 0.70004, 0.70006, 0.70008, 0.7001]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(
    low: float, high: float, expected: list[float]
) -> None:
    assert ticks(low, high, 5) == pytest.approx(expected)
