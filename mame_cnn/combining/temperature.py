"""Temperature scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2): calibration by one number.

Probabilities become softmax(log p / T): T above 1 tempers a network that is too sure. The order
of classes stays, and with it accuracy.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from commands.errors import UserError
from mame_cnn.combining.folds import stratified_folds
from mame_cnn.combining.members import Labels, Probs, checked, checked_probs, floored_log
from mame_cnn.combining.scoring import losses

COLDEST, HOTTEST = 0.05, 20.0
"""Where the search ends."""

N_FOLDS = 5


def fit_temperature(probs: Probs, labels: Labels) -> float:
    """Return the temperature T from 0.05 to 20 that minimises log loss + (log T)^2 / 2.

    Log loss is summed over images, so that of many images it decides alone; where all are right,
    no temperature is cold enough for it.

    Args:
        probs: [N, K].
    """
    (probs,), labels = checked([probs], labels)

    def objective(log_temperature: float) -> float:
        nats = losses(_tempered(probs, np.exp(log_temperature)), labels).sum()
        return float(nats + log_temperature**2 / 2)

    found = minimize_scalar(
        objective, bounds=np.log((COLDEST, HOTTEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def apply_temperature(probs: Probs, temperature: float) -> Probs:
    """Return [N, K] probabilities at a temperature; 1 leaves them as they are.

    Probabilities below 6e-8 count as that much.
    """
    if not 0 < temperature < np.inf:
        raise UserError(f"temperature: must be a number above 0, got {temperature:g}")
    (probs,) = checked_probs([probs])
    return _tempered(probs, temperature)


def out_of_fold_temperature(probs: Probs, labels: Labels, *, seed: int) -> Probs:
    """Return [N, K] probabilities, each image's temperature fitted on the other folds.

    These tell the calibration error after scaling honestly. Give it probabilities that are
    themselves out of fold.
    """
    (probs,), labels = checked([probs], labels)
    n_folds = min(N_FOLDS, len(labels))
    if n_folds < 2:
        raise UserError("temperature out of fold: at least 2 images are needed, got 1")
    folds = stratified_folds(labels, n_folds, np.random.default_rng(seed))
    tempered = np.empty_like(probs)
    for fold in range(n_folds):
        out = folds == fold
        tempered[out] = _tempered(probs[out], fit_temperature(probs[~out], labels[~out]))
    return tempered


def _tempered(probs: Probs, temperature: float) -> Probs:
    scaled: Probs = softmax(floored_log(probs) / temperature, axis=-1)
    return scaled
