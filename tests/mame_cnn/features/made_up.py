"""Small networks and tables of features for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from mame_cnn.features.bank import Bank
from mame_cnn.features.layers import Layer
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, write_model
from tests.mame_cnn.small_models import make_model

CPU = torch.device("cpu")


def run_of(folder: Path, **params: Any) -> tuple[Path, Model]:
    """Write a small network as a run's folder; return both."""
    model = make_model(**{"image_size": 16, "depth": 2, "width": 4, "dense_width": 5, **params})
    folder.mkdir(parents=True)
    write_model(folder / WEIGHTS, model)
    return folder, model


def bank_of(n_train: int = 90, n_val: int = 60, n_classes: int = 3, noise: float = 0.3) -> Bank:
    """Return features of two layers, of which the second alone tells the classes apart."""
    random = np.random.default_rng(0)

    def split(n: int) -> tuple[Any, Any]:
        labels = random.integers(0, n_classes, n)
        speaking = np.eye(n_classes)[labels] + noise * random.standard_normal((n, n_classes))
        return np.hstack([random.standard_normal((n, 2)), speaking]).astype(np.float32), labels

    (train, train_labels), (val, val_labels) = split(n_train), split(n_val)
    layers = (
        Layer("block1_conv1", "a", "a", n_features=2, map_px=4),
        Layer("block2_conv1", "b", "b", n_features=n_classes, map_px=2),
    )
    return Bank(train, val, train_labels, val_labels, layers)
