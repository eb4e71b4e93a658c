"""A data set where the network is: images on the device as uint8, normalised a batch at a time."""

import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.data.metadata import size_inputs
from mame_cnn.inputs.colours import colour_axes
from mame_cnn.inputs.normalisation import normalise, scale_and_offset

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
    metadata: Tensor | None = None
    """[N, M], what is known of images beside their pixels; None if that is not known of all."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    @cached_property
    def colour_axes(self) -> Tensor:
        """[C, C], the principal components of its pixels; all images are read when first asked."""
        return colour_axes(self.images)


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
    normalisation: str = "train"
    """As of a configuration."""
    metadata: str = "none"
    """What images carry beside their pixels, as of a network's table."""
    digest: str = ""
    """Of the data set, and of which splits are trained on; empty where nobody knows it."""

    @property
    def frequencies(self) -> Tensor:
        """[K]: the share of each class in the training images."""
        return 1 / (self.class_weights * self.n_classes)

    def shows_metadata(self, split: DeviceSplit) -> bool:
        """Tell whether images of a split carry what is known of them."""
        return self.metadata != "none" and split.metadata is not None

    def lacks(self, metadata: str) -> str | None:
        """Say what networks that see metadata would miss here, or return None."""
        if metadata == "none" or not any(
            split.metadata is None for split in (self.train, self.val)
        ):
            return None
        return (
            f"metadata {metadata}: Width and Height are not known of every image; MAMe's own CSV "
            "has them (MAMe_metadata/MAMe_dataset.csv)"
        )

    def normalise(self, images: Tensor, added: Tensor | None = None) -> Tensor:
        """Return uint8 [N, H, W, C] as numbers of mean 0 and deviation 1, [N, C, H, W].

        Args:
            added: [N, C], to every pixel of an image before that, in grey levels.
        """
        return normalise(images, self.scale, self.offset, self.normalisation, added)


@dataclass(frozen=True)
class FeatureData(DeviceData):
    """A data set whose images are features, [N, F] or [N, C, H, W], ready for a network."""

    def normalise(self, images: Tensor, added: Tensor | None = None) -> Tensor:
        """Return features as they are; there is nothing of images left to add to."""
        return images.to(self.scale.dtype)


def to_device(
    dataset: Dataset,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    precision: torch.dtype | None = None,
) -> DeviceData:
    """Return the data set on a device.

    Training images stay on the host if a GPU has no room for them beside networks. Raises
    `UserError` if it has none for the validation images, or a class has no training image.

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
    if empty := [name for name, n in zip(dataset.classes, counts, strict=True) if not n]:
        raise UserError(f"{dataset.name}: no training image of {', '.join(empty)}")
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
        digest=dataset.digest,
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
    metadata = None
    if split.sizes is not None:
        metadata = torch.tensor(size_inputs(split), device=label_place)
    return DeviceSplit(images.to(place), labels, metadata)


def with_validation(data: DeviceData) -> DeviceData:
    """Return the data with the validation images among those to train on.

    These images are held beside those of the data, on the host if a GPU has no room for both.
    """
    labels = torch.cat([data.train.labels, data.val.labels])
    parts = [data.train.images, data.val.images]
    n_bytes, place = sum(part.nbytes for part in parts), data.train.images.device
    if n_bytes > _MOST_FOR_IMAGES * _free_bytes(place):
        place = _HOST
    images = torch.cat([part.to(place) for part in parts])
    counts = torch.bincount(labels, minlength=data.n_classes)
    weights = len(labels) / (counts * data.n_classes)
    return replace(
        data,
        train=DeviceSplit(images, labels, _joined(data.train.metadata, data.val.metadata)),
        class_weights=weights.to(data.class_weights.dtype),
        digest=data.digest and f"{data.digest}-with-val",
    )


def _joined(train: Tensor | None, val: Tensor | None) -> Tensor | None:
    return None if train is None or val is None else torch.cat([train, val])
