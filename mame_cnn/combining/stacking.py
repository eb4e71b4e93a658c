"""Stacking: a weight for each member and class, fitted by ridge or by logistic regression.

Weights are held near equal ones (Wolpert 1992 on stacking, Breiman 1996 on why to restrain it):
a weight may stray from c/M, with one c for all, by a standard deviation that cross-validation
chooses among `SPREADS`. So few images lead back to the plain mean, and many to weights of their
own.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mame_cnn.combining.combination import ClassWeighted, Link
from mame_cnn.combining.folds import stratified_folds
from mame_cnn.combining.logistic import logistic_path, logistic_scores
from mame_cnn.combining.members import Labels, Probs, checked, floored_log
from mame_cnn.combining.ridge import ridge_path, squared_errors
from mame_cnn.combining.scoring import losses

SPREADS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Standard deviations of a weight about c/M, tightest first: 0.01 is all but the mean of ten
members, 1 all but no restraint."""

N_FOLDS = 3
"""Of the cross-validation inside the images given; spreads a factor 3 apart need no more."""

Path = Callable[[Probs, Labels, Sequence[float]], list[Probs]]
"""Features [K, N, F], labels [N] and spreads S, tightest first, to weights [K, F] of each."""

Losses = Callable[[Probs, Labels, Probs], Probs]
"""Features, labels and weights [K, F] to what the fit minimises, image by image [N]."""


def ridge(probs: Probs, labels: Labels, rng: np.random.Generator) -> ClassWeighted:
    """Return each class's linear regression of being the label on the members' probabilities."""
    probs, labels = checked(probs, labels)
    # The intercept is counted in units of a class's mean probability, 1/K.
    unit = 1 / probs.shape[2]
    weights = _fit(_features(probs, unit), labels, ridge_path, squared_errors, rng)
    return _combination("ridge", "identity", weights, unit)


def logistic(probs: Probs, labels: Labels, rng: np.random.Generator) -> ClassWeighted:
    """Return the multinomial logistic regression on the logarithms of members' probabilities.

    A class's logit depends on that class's probabilities alone, so equal weights are the
    geometric mean.
    """
    probs, labels = checked(probs, labels)
    features = _features(floored_log(probs), 1.0)
    weights = _fit(features, labels, logistic_path, _log_losses, rng)
    return _combination("logistic", "logistic", weights, 1.0)


def _log_losses(features: Probs, labels: Labels, weights: Probs) -> Probs:
    return losses(logistic_scores(features, weights), labels)


def _features(terms: Probs, unit: float) -> Probs:
    """Return [K, N, M + 1]: for each class what the members say of it, and the intercept's 1."""
    by_class = terms.transpose(2, 1, 0)
    intercept = np.full((*by_class.shape[:2], 1), unit)
    return np.concatenate([by_class, intercept], axis=2)


def _fit(
    features: Probs, labels: Labels, path: Path, loss: Losses, rng: np.random.Generator
) -> Probs:
    """Return weights [K, F] at the spread that images left out speak for."""
    n_folds = min(N_FOLDS, len(labels))
    if n_folds < 2:
        return path(features, labels, SPREADS[:1])[0]
    folds = stratified_folds(labels, n_folds, rng)
    left_out = np.empty((len(SPREADS), len(labels)))  # [S, N]
    for fold in range(n_folds):
        out = folds == fold
        fitted = path(features[:, ~out], labels[~out], SPREADS)
        left_out[:, out] = [loss(features[:, out], labels[out], weights) for weights in fitted]
    return path(features, labels, SPREADS[: _tightest(left_out) + 1])[-1]


def _tightest(left_out: Probs) -> int:
    """Return the first of S whose losses [S, N] are within one standard error of the least.

    The rule of Breiman, Friedman, Olshen and Stone (1984, section 3.4.3), here of differences
    image by image: on few images the least loss is luck.
    """
    excess = left_out - left_out[left_out.sum(1).argmin()]
    standard_errors = excess.std(1) / np.sqrt(excess.shape[1])
    return int((excess.mean(1) <= standard_errors).argmax())


def _combination(name: str, link: Link, weights: Probs, unit: float) -> ClassWeighted:
    return ClassWeighted(
        name,
        weights=tuple(map(tuple, weights[:, :-1].T.tolist())),
        intercepts=tuple((unit * weights[:, -1]).tolist()),
        link=link,
    )
