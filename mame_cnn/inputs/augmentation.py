"""Random changes of a batch of images, computed on its device.

What is random is drawn beforehand, so `augment` is a pure function: the members of a cohort
see the same draws, each scaled by its own configuration.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mame_cnn.configuration.config import Augmentation

DRAWS = (
    "flip_horizontal",
    "flip_vertical",
    "rotation",
    "shift_x",
    "shift_y",
    "zoom",
    "shear",
    "crop_x",
    "crop_y",
)
"""What one image needs a random number for, in the order of the columns of `draw`."""


def draw(n_images: int, generator: torch.Generator) -> Tensor:
    """Return uniform numbers from [0, 1), [N, 9], a column for each name in `DRAWS`."""
    return torch.rand(n_images, len(DRAWS), generator=generator)


def augment(images: Tensor, drawn: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the images [N, C, H, W] changed as drawn [N, 9]: resampled, then cropped.

    What is drawn is of the images' type and on their device.

    Images are normalised before, so what a crop adds around them is the mean colour; what a
    rotation, shift, zoom or shear uncovers repeats the border (the default of the Keras
    generator that the MAMe experiments used).
    """
    if not any(augmentation.model_dump().values()):
        return images
    column = dict(zip(DRAWS, drawn.unbind(1), strict=True))
    flip_x = column["flip_horizontal"] < augmentation.flip_horizontal
    flip_y = column["flip_vertical"] < augmentation.flip_vertical
    if _resamples(augmentation):
        images = _resample(images, _affine(column, augmentation), flip_x, flip_y)
    else:
        if augmentation.flip_horizontal:
            images = torch.where(flip_x.view(-1, 1, 1, 1), images.flip(3), images)
        if augmentation.flip_vertical:
            images = torch.where(flip_y.view(-1, 1, 1, 1), images.flip(2), images)
    if augmentation.crop_pad_px:
        images = _crop(images, column["crop_x"], column["crop_y"], augmentation.crop_pad_px)
    return images


def _resamples(augmentation: Augmentation) -> bool:
    """Whether anything but flips and crops is on: those move pixels without mixing them."""
    return any(
        (
            augmentation.rotation_degrees,
            augmentation.shift_x_fraction,
            augmentation.shift_y_fraction,
            augmentation.zoom_fraction,
            augmentation.shear_fraction,
        )
    )


def _affine(column: dict[str, Tensor], augmentation: Augmentation) -> Tensor:
    """Return the maps [N, 2, 3] from an output pixel to the place it is read from.

    Coordinates run from -1 to 1 across the image. Read right to left: shift back, undo the
    zoom, the shear and the rotation.
    """
    signed = {name: 2 * values - 1 for name, values in column.items()}  # [-1, 1)
    angle = signed["rotation"] * math.radians(augmentation.rotation_degrees)
    scale = 1 / (1 + signed["zoom"] * augmentation.zoom_fraction)
    shear = signed["shear"] * augmentation.shear_fraction
    # The image is 2 wide in these coordinates.
    shift_x = 2 * signed["shift_x"] * augmentation.shift_x_fraction
    shift_y = 2 * signed["shift_y"] * augmentation.shift_y_fraction
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = torch.stack(
        [
            torch.stack([cos, cos * shear + sin], dim=1),
            torch.stack([-sin, cos - sin * shear], dim=1),
        ],
        dim=1,
    )  # [N, 2, 2]
    offset = -rows @ torch.stack([shift_x, shift_y], dim=1).unsqueeze(2)  # [N, 2, 1]
    return torch.cat([rows, offset], dim=2)


def _resample(images: Tensor, affine: Tensor, flip_x: Tensor, flip_y: Tensor) -> Tensor:
    """Read the images bilinearly at affine [N, 2, 3], flipping where told."""
    mirror = torch.stack([1 - 2 * flip_x.to(affine), 1 - 2 * flip_y.to(affine)], dim=1)
    grid = _grid(affine * mirror.unsqueeze(2), *images.shape[2:])
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _grid(affine: Tensor, height: int, width: int) -> Tensor:
    """Return where each output pixel is read, [N, H, W, 2] as of `torch`'s `affine_grid`.

    A pixel's place is a sum of what its row and its column contribute. Adding these takes 3 ms
    where the matrix product of `affine_grid` takes 72 (128 images, 256 pixels, two CPU cores).
    """
    y, x = (
        (2 * torch.arange(size, dtype=affine.dtype, device=affine.device) + 1) / size - 1
        for size in (height, width)
    )
    of_rows = affine[:, :, 1:2] * y + affine[:, :, 2:]  # [N, 2, H]
    of_columns = affine[:, :, 0:1] * x  # [N, 2, W]
    return (of_rows.unsqueeze(3) + of_columns.unsqueeze(2)).permute(0, 2, 3, 1)


def _crop(images: Tensor, crop_x: Tensor, crop_y: Tensor, pad_px: int) -> Tensor:
    """Pad with zeros by pad_px and cut out a window of the old size at whole pixels."""
    n, _, height, width = images.shape
    padded = F.pad(images, [pad_px] * 4)
    n_places = 2 * pad_px + 1
    rows = (crop_y * n_places).long().view(n, 1) + torch.arange(height, device=images.device)
    columns = (crop_x * n_places).long().view(n, 1) + torch.arange(width, device=images.device)
    index = torch.arange(n, device=images.device).view(n, 1, 1)
    # [N, H, W, C] -> [N, C, H, W]: advanced indexing moves the channels last.
    return padded[index, :, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
