"""One classifier fitted to the features of training images, and tried on those of validation."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from commands.errors import UserError
from mame_cnn.features.bank import Bank
from mame_cnn.features.classifiers import Fit
from mame_cnn.features.config import FeaturesConfig, Neighbours
from mame_cnn.features.embedding import Embedding
from mame_cnn.features.layers import Layer
from mame_cnn.seeds import derive_seed


@dataclass(frozen=True, eq=False)
class Fitted:
    """What became of one configuration."""

    layers: tuple[Layer, ...]
    n_features: int
    """Columns of all layers together, and of metadata."""
    train_probs: npt.NDArray[np.float64]
    """[N, K], of the images that it was fitted to."""
    val_probs: npt.NDArray[np.float64]
    """[N, K]."""
    seconds: float
    is_converged: bool
    importances: Mapping[str, float] = field(default_factory=dict)
    """Of a forest: each layer's share of the fall in impurity, over all its features; that of
    metadata where these are seen."""


def infeasible(config: FeaturesConfig, n_train: int) -> str | None:
    """Say why a classifier cannot be fitted to so many training images, or return None."""
    classifier = config.classifier
    if isinstance(classifier, Neighbours) and classifier.neighbours > n_train:
        return f"neighbours: {classifier.neighbours} of {n_train} training images"
    return None


def fit(config: FeaturesConfig, bank: Bank, layers: tuple[Layer, ...], n_classes: int) -> Fitted:
    """Return what a classifier makes of the features of some layers.

    Raises `UserError` if there are too few training images for it.
    """
    if reason := infeasible(config, len(bank.train_labels)):
        raise UserError(reason)
    started_s = time.perf_counter()
    train, val = bank.of(layers)
    if config.metadata == "size":
        train, val = bank.with_sizes(train, val)
    embedding = Embedding.of(train, config.thresholds)
    train, val = embedding(train), embedding(val)
    fitted = Fit(
        config.classifier,
        train,
        bank.train_labels,
        n_classes=n_classes,
        seed=derive_seed(config.seed, "features"),
    )
    return Fitted(
        layers=layers,
        n_features=train.shape[1],
        train_probs=fitted.probs(train),
        val_probs=fitted.probs(val),
        seconds=time.perf_counter() - started_s,
        is_converged=fitted.is_converged,
        importances=_by_layer(fitted.importances(), layers),
    )


def _by_layer(
    importances: npt.NDArray[np.float64] | None, layers: tuple[Layer, ...]
) -> dict[str, float]:
    if importances is None:
        return {}
    ends = np.cumsum([layer.n_features for layer in layers])
    *parts, of_metadata = np.split(importances, ends)
    by_layer = {layer.name: float(part.sum()) for layer, part in zip(layers, parts, strict=True)}
    return by_layer | ({"metadata": float(of_metadata.sum())} if len(of_metadata) else {})
