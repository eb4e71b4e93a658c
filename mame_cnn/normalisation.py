"""From bytes to numbers around 0: the same for training, evaluation and every later use."""

from collections.abc import Sequence

import torch
from torch import Tensor


def scale_and_offset(
    mean: Sequence[float], std: Sequence[float], *, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return 1 / (255 * std) and mean / std, each [C, 1, 1].

    Args:
        mean: per channel, of pixel values scaled to [0, 1].
        std: likewise, above 0.
    """
    means = torch.tensor(mean, dtype=dtype, device=device).view(-1, 1, 1)
    stds = torch.tensor(std, dtype=dtype, device=device).view(-1, 1, 1)
    return 1 / (255 * stds), means / stds


def normalise(images: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Return uint8 [N, H, W, C] as scale * images - offset, [N, C, H, W], in scale's type."""
    # A row of pixels at a time: loops over the 3 numbers of one are slow.
    rows = images.flatten(2).to(scale.dtype)
    width = images.shape[2]
    rows.mul_(scale.flatten().repeat(width)).sub_(offset.flatten().repeat(width))
    # A permuted view of what lies channels-last: the layout that convolutions prefer.
    return rows.view(images.shape).permute(0, 3, 1, 2)
