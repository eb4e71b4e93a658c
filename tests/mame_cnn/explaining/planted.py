"""Images of noise with a coloured patch planted in each, whose colour is the class."""

from dataclasses import dataclass

import numpy as np
import torch

from mame_cnn.data.dataset import Labels, Pixels
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit
from mame_cnn.inputs.normalisation import scale_and_offset
from mame_cnn.models.model import Model
from mame_cnn.runs.final_training import train_to_the_end
from tests.mame_cnn.factory import make_config

CLASSES = ("red", "green", "blue")
SIDE, PATCH = 32, 8
MEAN, STD = (0.4,) * 3, (0.2,) * 3


@dataclass(frozen=True, eq=False)
class Planted:
    images: Pixels
    labels: Labels
    corners: np.ndarray
    """[N, 2], the first row and column of each patch."""

    def split(self) -> DeviceSplit:
        return DeviceSplit(torch.from_numpy(self.images), torch.from_numpy(self.labels))

    def inside(self, index: int, margin: int = 0) -> np.ndarray:
        """Return where a patch is, [H, W], with a margin around it."""
        mask = np.zeros((SIDE, SIDE), dtype=bool)
        top, left = np.maximum(self.corners[index] - margin, 0)
        below, right = self.corners[index] + PATCH + margin
        mask[top:below, left:right] = True
        return mask


def plant(n: int, seed: int, first: int = 0, last: int = SIDE - PATCH) -> Planted:
    """Return images whose patches begin at rows and columns from `first` to `last`."""
    random = np.random.default_rng(seed)
    images = random.integers(40, 160, (n, SIDE, SIDE, 3), dtype=np.uint8)
    labels = random.integers(0, len(CLASSES), n)
    corners = random.integers(first, last + 1, (n, 2))
    for image, label, (top, left) in zip(images, labels, corners, strict=True):
        image[top : top + PATCH, left : left + PATCH, label] = 255
    return Planted(images, labels, corners)


def train_on_patches() -> Model:
    scale, offset = scale_and_offset(MEAN, STD, dtype=torch.float32, device=torch.device("cpu"))
    data = DeviceData(
        train=plant(300, seed=1).split(),
        val=plant(60, seed=2).split(),
        n_classes=len(CLASSES),
        channels=3,
        image_size=SIDE,
        scale=scale,
        offset=offset,
        class_weights=torch.ones(len(CLASSES)),
        precision=torch.float32,
    )
    config = make_config(
        epochs=6, image_size=SIDE, width=8, head="average", lr=0.01, batch_size=32, dense_width=8
    )
    training = train_to_the_end(config, data, lambda result: None)
    return Model(
        config=config,
        classes=CLASSES,
        channels=3,
        mean=MEAN,
        std=STD,
        data_name="planted",
        data_digest="0123456789ab",
        metrics={"val_accuracy": training.best.val_accuracy},
        provenance={},
        state=training.state,
    )
