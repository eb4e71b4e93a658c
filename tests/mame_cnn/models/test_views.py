import numpy as np
import pytest
import torch

from mame_cnn.models.views import VIEWS, seen
from tests.mame_cnn.small_models import make_images


@pytest.mark.parametrize(("views", "expected"), VIEWS.items())
def test_an_image_is_seen_as_often_as_promised(views: str, expected: int) -> None:
    images = torch.from_numpy(make_images())
    found = seen(images, views)
    assert len(found) == expected
    assert torch.equal(found[0], images)
    assert {(view.shape, view.dtype) for view in found} == {(images.shape, torch.uint8)}


def test_a_flip_exchanges_left_and_right() -> None:
    images = make_images()
    _, flipped = seen(torch.from_numpy(images), "flips")
    np.testing.assert_array_equal(flipped.numpy(), images[:, :, ::-1])


@pytest.mark.parametrize(("side", "px"), [(8, 1), (64, 2)])
def test_shifts_are_a_32nd_of_the_side_and_repeat_the_edge(side: int, px: int) -> None:
    images = make_images(2, side)
    shifted = [view.numpy() for view in seen(torch.from_numpy(images), "flips+shifts")[2:6]]
    padded = np.pad(images, ((0, 0), (px, px), (px, px), (0, 0)), mode="edge")
    for down, right in ((-px, 0), (px, 0), (0, -px), (0, px)):
        top, left = px - down, px - right
        expected = padded[:, top : top + side, left : left + side]
        assert any(np.array_equal(view, expected) for view in shifted), (down, right)


def test_shifts_are_of_the_mirror_image_too() -> None:
    images = torch.from_numpy(make_images())
    views = seen(images, "flips+shifts")
    mirrored = seen(images.flip(2), "flips+shifts")
    as_bytes = [sorted(view.numpy().tobytes() for view in found) for found in (views, mirrored)]
    assert as_bytes[0] == as_bytes[1]
