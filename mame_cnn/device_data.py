"""A data set where the network is: images on the device as uint8, normalised a batch at a time."""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.normalisation import normalise, scale_and_offset

_HOST = torch.device("cpu")
_MOST_FOR_IMAGES = 0.6
"""Share of a GPU's free memory that images may take; networks need the rest."""


@dataclass(frozen=True)
class DeviceSplit:
    """One split on a device."""

    images: Tensor
    """uint8 [N, H, W, C]; on the CPU a view of the memory-mapped file.

    Training images that a GPU has no room for stay there too, and are sent batch by batch.
    """
    labels: Tensor
    """int64 [N]."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True)
class DeviceData:
    """The train and validation splits on a device, with their normalisation."""

    train: DeviceSplit
    val: DeviceSplit
    n_classes: int
    channels: int
    image_size: int
    scale: Tensor
    """[C, 1, 1]: 1 / (255 * standard deviation of the training pixels)."""
    offset: Tensor
    """[C, 1, 1]: mean / standard deviation of the training pixels."""
    class_weights: Tensor
    """[K]: n / (n_c * K) over the training images, for balanced classes."""

    precision: torch.dtype
    """What convolutional blocks compute in; all else has the type of `scale`."""

    def normalise(self, images: Tensor) -> Tensor:
        """Return uint8 [N, H, W, C] as numbers of mean 0 and deviation 1, [N, C, H, W]."""
        return normalise(images, self.scale, self.offset)


def to_device(
    dataset: Dataset,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    precision: torch.dtype | None = None,
) -> DeviceData:
    """Return the data set on a device.

    Training images stay on the host if a GPU has no room for them beside networks. Raises
    `UserError` if it has none for the validation images.

    Args:
        dtype: of weights, gradients and losses.
        precision: of convolutional blocks; the same by default.
    """
    n_free = _free_bytes(device)
    n_val = dataset.val.images.nbytes
    if n_val > n_free:
        raise UserError(
            f"--device {device}: the validation images take {n_val / 2**20:,.0f} MiB, "
            f"{n_free / 2**20:,.0f} MiB are free; choose a smaller --image-size or --device cpu"
        )
    has_room = dataset.train.images.nbytes + n_val <= _MOST_FOR_IMAGES * n_free
    scale, offset = scale_and_offset(dataset.mean, dataset.std, dtype=dtype, device=device)
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.classes))
    weights = len(dataset.train.labels) / (counts * len(dataset.classes))
    return DeviceData(
        train=_split_to_device(dataset.train, device if has_room else _HOST, device),
        val=_split_to_device(dataset.val, device, device),
        n_classes=len(dataset.classes),
        channels=dataset.channels,
        image_size=dataset.image_size,
        scale=scale,
        offset=offset,
        class_weights=torch.tensor(weights, dtype=dtype, device=device),
        precision=precision or dtype,
    )


def _free_bytes(device: torch.device) -> float:
    """Return how many bytes images may take: what is free on a GPU, any number on a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf


def _split_to_device(split: Split, place: torch.device, label_place: torch.device) -> DeviceSplit:
    with warnings.catch_warnings():
        # torch warns that the mapped file cannot be written to; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        images = torch.from_numpy(split.images)
    labels = torch.tensor(split.labels, dtype=torch.int64, device=label_place)
    return DeviceSplit(images.to(place), labels)


def with_validation(data: DeviceData) -> DeviceData:
    """Return the data with the validation images among those to train on."""
    labels = torch.cat([data.train.labels, data.val.labels])
    images = torch.cat([data.train.images, data.val.images.to(data.train.images.device)])
    counts = torch.bincount(labels, minlength=data.n_classes)
    weights = len(labels) / (counts * data.n_classes)
    return replace(
        data,
        train=DeviceSplit(images, labels),
        class_weights=weights.to(data.class_weights.dtype),
    )
