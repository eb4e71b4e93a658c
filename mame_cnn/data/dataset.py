"""What every source of images is turned into: splits, a data set, and its digest.

Where images come from and how they are decoded is the business of the other modules here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, in a fixed order.

    Args:
        images: uint8 [N, H, W, C], read-only and C-contiguous; memory-mapped for a folder.
        labels: int64 [N], indices into the data set's classes.
        names: one name an image, unique within the split.
        museums: one an image, empty where it is not known; nothing if the source names none.
        sizes: float64 [N, 2], width and height in pixels of the original photographs; None if the
            source does not tell them of every image.
    """

    images: Pixels
    labels: Labels
    names: tuple[str, ...]
    museums: tuple[str, ...] = ()
    sizes: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """The train and val splits of one source; the test split is opened elsewhere, once.

    Args:
        source: "digits" or the absolute folder.
        mean: per channel over train, of pixel values scaled to [0, 1].
        std: likewise, never less than one grey level (1/255).
        digest: equal for the same images, names and classes on any machine, in any folder.
        notes: lines that the user must be told.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    notes: tuple[str, ...]
    train: Split
    val: Split


def image_digest(pixels: Pixels) -> str:
    """Return the SHA-256 of one image's pixels, [H, W, C], as hex digits."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def dataset_digest(
    classes: Sequence[str],
    image_size: int,
    splits: Mapping[str, Sequence[tuple[str, int, str]]],
) -> str:
    """Return 12 hex digits for classes, size and every image's name, label and pixels.

    Args:
        splits: for train and val, each image's name, label and image digest, in order.
    """
    content = {
        "classes": list(classes),
        "image_size": image_size,
        "splits": {split: [list(image) for image in splits[split]] for split in sorted(splits)},
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def mean_and_std(
    histograms: npt.NDArray[np.int64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and standard deviation, values scaled to [0, 1].

    Integers all the way to the last division, so every machine gets the same digits.

    Args:
        histograms: int64 [C, 256], how often each grey level occurs in a channel.
    """
    means, stds = [], []
    for histogram in histograms.tolist():
        n = sum(histogram)
        total = sum(level * count for level, count in enumerate(histogram))
        squares = sum(level * level * count for level, count in enumerate(histogram))
        means.append(total / (255 * n))
        # n sum(v^2) - (sum v)^2 is n^2 times the variance.
        stds.append(max(sqrt(n * squares - total * total) / (255 * n), 1 / 255))
    return tuple(means), tuple(stds)
