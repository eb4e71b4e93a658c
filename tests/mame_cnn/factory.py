"""Small configurations and data for tests."""

from typing import Any

import numpy as np
import torch

from mame_cnn.configuration.config import Config
from mame_cnn.configuration.layered import Plain
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit


def make_config(*, seed: int = 1, epochs: int = 3, image_size: int = 8, **params: Value) -> Config:
    small: dict[str, Value] = {"depth": 2, "width": 4, "dense_width": 6, "batch_size": 8}
    return config_from_params(
        {**small, **params},
        source="synthetic",
        image_size=image_size,
        epochs=epochs,
        seed=seed,
        data_seed=0,
    )


def plain_of(config: Config) -> Plain:
    """Return the network of a configuration, which must be of the plain family."""
    assert isinstance(config.network, Plain)
    return config.network


def make_data(
    *,
    n_train: int = 40,
    n_val: int = 20,
    n_classes: int = 3,
    channels: int = 3,
    image_size: int = 8,
    dtype: torch.dtype = torch.float64,
    precision: torch.dtype | None = None,
) -> DeviceData:
    """Return random images whose brightness tells their class."""
    random = np.random.default_rng(0)

    def split(n_images: int) -> DeviceSplit:
        labels = random.integers(0, n_classes, n_images)
        shape = (n_images, image_size, image_size, channels)
        pixels = random.integers(0, 128, shape) + (labels * 40).reshape(-1, 1, 1, 1)
        images = torch.from_numpy(pixels.astype(np.uint8))
        return DeviceSplit(images, torch.from_numpy(labels))

    train = split(n_train)
    counts = torch.bincount(train.labels, minlength=n_classes)
    constant: dict[str, Any] = {"dtype": dtype}
    return DeviceData(
        train=train,
        val=split(n_val),
        n_classes=n_classes,
        channels=channels,
        image_size=image_size,
        scale=torch.full((channels, 1, 1), 1 / 64, **constant),
        offset=torch.full((channels, 1, 1), 1.5, **constant),
        class_weights=(n_train / (counts * n_classes)).to(dtype),
        precision=precision or dtype,
    )
