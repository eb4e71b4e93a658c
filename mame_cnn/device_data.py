"""A data set where the network is: images on the device as uint8, normalised a batch at a time."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.data.dataset import Dataset, Split


@dataclass(frozen=True)
class DeviceSplit:
    """One split on a device."""

    images: Tensor
    """uint8 [N, H, W, C]; on the CPU a view of the memory-mapped file."""
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

    def normalise(self, images: Tensor) -> Tensor:
        """Return uint8 [N, H, W, C] as numbers of mean 0 and deviation 1, [N, C, H, W]."""
        # A permuted view of what lies channels-last: the layout that convolutions prefer.
        return images.permute(0, 3, 1, 2).to(self.scale.dtype) * self.scale - self.offset


def to_device(
    dataset: Dataset, device: torch.device, dtype: torch.dtype = torch.float32
) -> DeviceData:
    """Return the data set on a device, to be computed with in a floating-point type.

    Raises `UserError` if a GPU has no room for the images.
    """
    _check_room(dataset, device)
    mean = torch.tensor(dataset.mean, dtype=dtype, device=device).view(-1, 1, 1)
    std = torch.tensor(dataset.std, dtype=dtype, device=device).view(-1, 1, 1)
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.classes))
    weights = len(dataset.train.labels) / (counts * len(dataset.classes))
    return DeviceData(
        train=_split_to_device(dataset.train, device),
        val=_split_to_device(dataset.val, device),
        n_classes=len(dataset.classes),
        channels=dataset.channels,
        image_size=dataset.image_size,
        scale=1 / (255 * std),
        offset=mean / std,
        class_weights=torch.tensor(weights, dtype=dtype, device=device),
    )


def _check_room(dataset: Dataset, device: torch.device) -> None:
    if device.type != "cuda":
        return
    n_bytes = dataset.train.images.nbytes + dataset.val.images.nbytes
    free, _ = torch.cuda.mem_get_info(device)
    if n_bytes > free:
        raise UserError(
            f"--device {device}: the images take {n_bytes / 2**20:,.0f} MiB, "
            f"{free / 2**20:,.0f} MiB are free; choose a smaller --image-size or --device cpu"
        )


def _split_to_device(split: Split, device: torch.device) -> DeviceSplit:
    with warnings.catch_warnings():
        # torch warns that the mapped file cannot be written to; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        images = torch.from_numpy(split.images)
    labels = torch.tensor(split.labels, dtype=torch.int64, device=device)
    return DeviceSplit(images.to(device), labels)
