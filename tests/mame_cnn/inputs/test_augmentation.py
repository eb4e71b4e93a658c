"""Batched augmentation against torchvision's and torch's own operations, image by image."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from mame_cnn.inputs.augmentation import DRAWS, _grid, augment, draw
from mame_cnn.seeds import generator
from tests.mame_cnn.factory import make_config

SIZE = 16
NEUTRAL = 0.5
"""The draw that changes nothing: halfway between -1 and 1; and no flip at rates up to 0.5."""


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, SIZE, SIZE, dtype=torch.float64, generator=generator("images"))


def draws(**columns: list[float]) -> Tensor:
    drawn = torch.full((4, len(DRAWS)), NEUTRAL, dtype=torch.float64)
    for name, values in columns.items():
        drawn[:, DRAWS.index(name)] = torch.tensor(values, dtype=torch.float64)
    return drawn


def inner(images: Tensor) -> Tensor:
    """Cut off what an operation may have filled from outside the image."""
    return images[..., 5:-5, 5:-5]


def test_no_augmentation_returns_the_images_themselves(images: Tensor) -> None:
    drawn = draw(4, generator("draws")).double()
    assert augment(images, drawn, make_config().augmentation) is images


def test_flips_happen_where_the_draw_is_below_the_rate(images: Tensor) -> None:
    augmentation = make_config(flip_horizontal=0.5, flip_vertical=0.25).augmentation
    drawn = draws(flip_horizontal=[0.4, 0.6, 0.4, 0.6], flip_vertical=[0.2, 0.2, 0.3, 0.3])
    flipped = augment(images, drawn, augmentation)
    expected = [images[0].flip(1, 2), images[1].flip(1), images[2].flip(2), images[3]]
    assert torch.equal(flipped, torch.stack(expected))


def test_flips_are_exact_when_resampling_too(images: Tensor) -> None:
    augmentation = make_config(flip_horizontal=0.5, rotation_degrees=30.0).augmentation
    flipped = augment(images, draws(flip_horizontal=[0.4, 0.6, 0.4, 0.6]), augmentation)
    torch.testing.assert_close(flipped[0], images[0].flip(2))
    torch.testing.assert_close(flipped[1], images[1])


def test_a_quarter_turn_equals_rot90(images: Tensor) -> None:
    augmentation = make_config(rotation_degrees=90.0).augmentation
    turned = augment(images, draws(rotation=[0.0, 1.0, 0.5, 0.5]), augmentation)
    quarter = {torch.rot90(images[0], k, (1, 2)): k for k in (1, -1)}
    matches = [k for turn, k in quarter.items() if torch.allclose(turned[0], turn)]
    assert len(matches) == 1
    torch.testing.assert_close(turned[1], torch.rot90(images[1], -matches[0], (1, 2)))
    torch.testing.assert_close(turned[2], images[2])


@pytest.mark.parametrize(
    ("params", "column", "torchvision"),
    [
        ({"rotation_degrees": 20.0}, "rotation", {"angle": 10.0}),
        ({"shift_x_fraction": 0.25}, "shift_x", {"translate": [2, 0]}),
        ({"shift_y_fraction": 0.25}, "shift_y", {"translate": [0, 2]}),
        ({"zoom_fraction": 0.4}, "zoom", {"scale": 1.2}),
    ],
)
def test_each_change_equals_torchvision(
    images: Tensor, params: dict[str, Any], column: str, torchvision: dict[str, Any]
) -> None:
    # A draw of 0.75 is half of the range: 10 degrees, 2 of 16 pixels, 20 % larger.
    changed = augment(images, draws(**{column: [0.75] * 4}), make_config(**params).augmentation)
    same = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    expected = transforms.affine(
        images, **(same | torchvision), interpolation=InterpolationMode.BILINEAR
    )
    torch.testing.assert_close(inner(changed), inner(expected))


def test_shear_moves_each_row_by_its_distance_from_the_middle(images: Tensor) -> None:
    augmentation = make_config(shear_fraction=1.0).augmentation
    sheared = augment(images, draws(shear=[1.0] * 4), augmentation)
    middle = (SIZE - 1) / 2
    for row in range(6, 10):
        offset = row - middle
        expected = (
            torch.roll(images[:, :, row], -int(offset - 0.5), 2)
            + torch.roll(images[:, :, row], -int(offset + 0.5), 2)
        ) / 2
        torch.testing.assert_close(sheared[:, :, row, 6:10], expected[:, :, 6:10])


def test_crops_are_windows_of_the_padded_image(images: Tensor) -> None:
    augmentation = make_config(crop_pad_px=2).augmentation
    cropped = augment(
        images, draws(crop_x=[0, 0.99, 0.5, 0.3], crop_y=[0, 0.5, 0.5, 0.9]), augmentation
    )
    padded = torch.nn.functional.pad(images, [2] * 4)
    for image, (top, left) in enumerate([(0, 0), (2, 4), (2, 2), (4, 1)]):
        window = padded[image, :, top : top + SIZE, left : left + SIZE]
        assert torch.equal(cropped[image], window)


def test_draws_depend_on_the_generator_alone() -> None:
    first, second = draw(5, generator("a")), draw(5, generator("a"))
    assert torch.equal(first, second)
    assert not torch.equal(first, draw(5, generator("b")))
    assert first.shape == (5, len(DRAWS))


def test_the_grid_is_that_of_torch() -> None:
    affine = torch.randn(3, 2, 3, dtype=torch.float64, generator=generator("affine"))
    expected = functional.affine_grid(affine, [3, 1, 5, 7], align_corners=False)
    torch.testing.assert_close(_grid(affine, 5, 7), expected, rtol=0, atol=1e-12)
