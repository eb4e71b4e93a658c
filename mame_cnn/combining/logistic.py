"""Multinomial logistic regression in which a class's score has features of its own.

Scikit-learn's gives every class every feature, M K^2 weights where M K are wanted. This one is
fitted by L-BFGS (scipy) in coordinates in which a class's curvature is 1 in every direction, so
that it takes a dozen iterations, not hundreds: members' log probabilities are alike.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from mame_cnn.combining.members import Labels, Probs
from mame_cnn.combining.ridge import equal_weights

_SMALL_SLOPE = 0.01
"""Nats, summed over images, that a step of one standard deviation could still gain."""


def logistic_path(features: Probs, labels: Labels, spreads: Sequence[float]) -> list[Probs]:
    """Return S weights [K, F] minimising log loss + |w - centre|^2 / (2 spread^2).

    Log loss is summed over images; centre is the geometric mean at its best temperature, which
    orders classes as the geometric mean does.

    Args:
        features: [K, N, F]; the last is a constant, for the intercept.
        spreads: S of them, tightest first: each fit starts where the one before ended.
    """
    centre = tempered_mean(features, labels)
    weights = centre
    path = []
    for spread in spreads:
        weights = _fit(features, labels, centre, weights, spread)
        path.append(weights)
    return path


def tempered_mean(features: Probs, labels: Labels) -> Probs:
    """Return weights [K, F] that are c/M each, with intercepts of 0.

    c minimises log loss + (log c)^2 / 2: where all images are right, no c is large enough for
    log loss alone.
    """
    weights = equal_weights(features)
    logits = _logits(features, weights)
    rows = np.arange(len(labels))

    def objective(log_scale: float) -> float:
        log_probs = log_softmax(np.exp(log_scale) * logits, axis=-1)
        return float(log_scale**2 / 2 - log_probs[rows, labels].sum())

    # Beyond e^4, some 50 times, the second term alone is worth 8 nats.
    found = minimize_scalar(objective, bounds=(-4, 4), method="bounded")
    tempered: Probs = np.exp(found.x) * weights
    return tempered


def logistic_scores(features: Probs, weights: Probs) -> Probs:
    """Return probabilities [N, K] for features [K, N, F] and weights [K, F]."""
    probs: Probs = softmax(_logits(features, weights), axis=-1)
    return probs


def _logits(features: Probs, weights: Probs) -> Probs:
    return np.ascontiguousarray((features @ weights[..., None])[..., 0].T)  # [N, K]


def _fit(features: Probs, labels: Labels, centre: Probs, start: Probs, spread: float) -> Probs:
    """Return weights [K, F], searched for as start + axes u."""
    axes = _axes(features, start, spread)  # [K, F, F]
    turned = features @ axes
    logits_at_start = _logits(features, start)
    rows = np.arange(len(labels))

    def loss_and_slope(flat: Probs) -> tuple[float, Probs]:
        moves = flat.reshape(start.shape)
        logits = logits_at_start + _logits(turned, moves)
        log_probs = log_softmax(logits, axis=-1)
        strayed = start - centre + (axes @ moves[..., None])[..., 0]
        loss = -log_probs[rows, labels].sum() + (strayed**2).sum() / (2 * spread**2)
        errors = np.exp(log_probs)
        errors[rows, labels] -= 1
        slope = turned.transpose(0, 2, 1) @ errors.T[..., None]  # [K, F, 1]
        slope += axes.transpose(0, 2, 1) @ strayed[..., None] / spread**2
        return float(loss), slope.ravel()

    found = minimize(
        loss_and_slope,
        np.zeros(start.size),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": _SMALL_SLOPE, "ftol": 0.0, "maxiter": 500},
    )
    moved: Probs = start + (axes @ found.x.reshape(*start.shape, 1))[..., 0]
    return moved


def _axes(features: Probs, weights: Probs, spread: float) -> Probs:
    """Return [K, F, F] whose columns are directions of curvature 1 within each class."""
    probs = logistic_scores(features, weights).T  # [K, N]
    weighed = features * (probs * (1 - probs))[..., None]
    identity = np.eye(features.shape[2])
    curvature = features.transpose(0, 2, 1) @ weighed + identity / spread**2
    return np.stack(
        [solve_triangular(root.T, identity, lower=False) for root in np.linalg.cholesky(curvature)]
    )
