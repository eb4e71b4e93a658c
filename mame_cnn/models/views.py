"""Test-time augmentation: one image seen several times, its probabilities averaged.

Shifts move an image by a 32nd of its side, and what comes into sight repeats its edge: zero
padding would show the network borders that training may never have had.
"""

from torch import Tensor, arange

VIEWS = {"none": 1, "flips": 2, "flips+shifts": 10}
"""By name, how often an image is seen: alone; and its mirror image; and both shifted up, down,
left and right."""

_DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def seen(images: Tensor, views: str) -> list[Tensor]:
    """Return every view of uint8 images [N, H, W, C], the images themselves first."""
    if views == "none":
        return [images]
    flips = [images, images.flip(2)]
    if views == "flips":
        return flips
    height, width = images.shape[1:3]
    return flips + [
        _shifted(flip, down * _shift_px(height), right * _shift_px(width))
        for flip in flips
        for down, right in _DIRECTIONS
    ]


def _shift_px(side: int) -> int:
    return max(1, side // 32)


def _shifted(images: Tensor, down: int, right: int) -> Tensor:
    height, width = images.shape[1:3]
    rows = arange(height, device=images.device).sub(down).clamp(0, height - 1)
    columns = arange(width, device=images.device).sub(right).clamp(0, width - 1)
    return images.index_select(1, rows).index_select(2, columns)
