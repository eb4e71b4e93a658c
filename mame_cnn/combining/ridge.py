"""Ridge regression (Hoerl and Kennard 1970) of being a class on what members say of that class.

Held near the plain mean of members' probabilities, stretched or shrunk as fits best: both order
classes alike, and members that err apart are less sure in the mean than they should be.
"""

from collections.abc import Sequence

import numpy as np

from mame_cnn.combining.members import Labels, Probs


def ridge_path(features: Probs, labels: Labels, spreads: Sequence[float]) -> list[Probs]:
    """Return S weights [K, F] minimising |y - F w|^2 / s^2 + |w - centre|^2 / spread^2.

    s^2 is the mean squared error at the centre, so that a spread means the same here as in a
    logistic regression: the standard deviation of a normal prior.

    Args:
        features: [K, N, F]; the last is a constant, for the intercept.
        spreads: S of them.
    """
    centre = stretched_mean(features, labels)
    errors = _errors(features, labels, centre)  # [K, N]
    gram = features.transpose(0, 2, 1) @ features  # [K, F, F]
    slope = features.transpose(0, 2, 1) @ errors[..., None]  # [K, F, 1]
    # One wrong image is added: members that are always right would leave no restraint at all.
    penalties = (np.sum(errors**2) + 1) / errors.size / np.square(spreads)
    restrained = gram + penalties[:, None, None, None] * np.eye(features.shape[2])
    return list(centre + np.linalg.solve(restrained, slope)[..., 0])


def stretched_mean(features: Probs, labels: Labels) -> Probs:
    """Return weights [K, F] that are c/M each, with intercepts that keep rows summing to 1.

    c is the least-squares slope of labels on the mean, drawn to 1 by the weight of one image,
    and above 0 even for members worse than chance.
    """
    weights = equal_weights(features)
    n_classes = len(features)
    said = (features @ weights[..., None])[..., 0] - 1 / n_classes  # [K, N]
    true = (labels == np.arange(n_classes)[:, None]) - 1 / n_classes
    stretch = (max((said * true).sum(), 0) + 1) / ((said**2).sum() + 1)
    weights *= stretch
    weights[:, -1] = (1 - stretch) / n_classes / features[:, 0, -1]
    return weights


def squared_errors(features: Probs, labels: Labels, weights: Probs) -> Probs:
    """Return [N] the squared error of weights [K, F], summed over classes."""
    total: Probs = (_errors(features, labels, weights) ** 2).sum(0)
    return total


def equal_weights(features: Probs) -> Probs:
    """Return [K, F] with 1/M for each member and 0 for the intercept."""
    n_classes, _, n_features = features.shape
    weights = np.full((n_classes, n_features), 1 / (n_features - 1))
    weights[:, -1] = 0
    return weights


def _errors(features: Probs, labels: Labels, weights: Probs) -> Probs:
    is_label = labels == np.arange(len(features))[:, None]  # [K, N]
    missing: Probs = is_label - (features @ weights[..., None])[..., 0]
    return missing
