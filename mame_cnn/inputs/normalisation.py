"""From bytes to numbers around 0: the same for training, evaluation and every later use."""

from collections.abc import Sequence
from math import sqrt

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


def normalise(
    images: Tensor,
    scale: Tensor,
    offset: Tensor,
    normalisation: str = "train",
    added: Tensor | None = None,
) -> Tensor:
    """Return uint8 [N, H, W, C] as numbers around 0, [N, C, H, W], in scale's type.

    Args:
        scale: [C, 1, 1], as of `scale_and_offset`; so is `offset`.
        normalisation: `train` for scale * images - offset, `image` for each image by the mean
            and deviation of its own values, which needs neither.
        added: [N, C], to every pixel of an image before that, in grey levels from 0 to 255.
    """
    # A row of pixels at a time: loops over the 3 numbers of one are slow.
    rows = images.flatten(2).to(scale.dtype)
    width = images.shape[2]
    if added is not None:
        rows.add_(added.repeat(1, width).unsqueeze(1))
    if normalisation == "image":
        rows = _standardised(rows)
    else:
        rows.mul_(scale.flatten().repeat(width)).sub_(offset.flatten().repeat(width))
    # A permuted view of what lies channels-last: the layout that convolutions prefer.
    return rows.view(images.shape).permute(0, 3, 1, 2)


def _standardised(rows: Tensor) -> Tensor:
    """Return (x - mean) / max(deviation, 1 / sqrt(values)) over all values of an image [N, H, *].

    As TensorFlow's `per_image_standardization` of bytes: the bound, of grey levels, keeps an
    image of one colour from becoming noise.
    """
    centred = rows - rows.mean((1, 2), keepdim=True)
    deviation = centred.square().mean((1, 2), keepdim=True).sqrt()
    return centred / deviation.clamp(min=1 / sqrt(rows[0].numel()))
