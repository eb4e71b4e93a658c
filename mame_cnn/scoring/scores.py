"""How good probabilities are on one split: every number of it, none of the tables."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from commands.errors import UserError

N_BINS = 15
"""Of the calibration error, as in Guo et al. (2017), section 4."""
N_TOP = 3
_ROUNDING = 0.01
"""How far a row's sum may be from 1: bfloat16 has three digits, a CSV file a few more."""

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Scores:
    """A network on one split; shares are in [0, 1].

    Macro means take every class alike, weighted ones by its images. The micro means of
    precision, recall and F1 are all the accuracy, since every image has one class.
    """

    n_images: int
    accuracy: float
    balanced_accuracy: float
    """Mean recall of the classes that have images."""
    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    top3_accuracy: float
    """Share of images whose class is among the 3 most probable."""
    log_loss: float
    """Mean of -log p(true class), in nats."""
    calibration_error: float
    """Expected calibration error, a share: see `expected_calibration_error`."""


def scores(probs: Floats, labels: Integers) -> Scores:
    """Return all scores of probabilities [N, K] against labels [N].

    A class that was never predicted has precision 0, one without images recall 0. Raises
    `UserError` for what is no probabilities.
    """
    check_probs(probs, labels)
    predicted = probs.argmax(1)
    confusions = confusion_matrix(labels, predicted, labels=range(probs.shape[1]))
    return Scores(
        n_images=len(labels),
        accuracy=float((predicted == labels).mean()),
        top3_accuracy=float(is_in_top(probs, labels).mean()),
        log_loss=float(losses(probs, labels).mean()),
        calibration_error=expected_calibration_error(probs, labels),
        **{name: float(mean) for name, mean in means_over_classes(confusions).items()},
    )


def check_probs(probs: Floats, labels: Integers) -> None:
    """Raise `UserError` unless these are probabilities [N, K] of images with labels [N]."""
    if probs.ndim != 2 or len(probs) != len(labels) or not len(labels):
        raise UserError(
            f"probabilities of shape {probs.shape} for {len(labels)} labels: "
            "expected a row for each image, and at least one image"
        )
    sums = probs.sum(1)
    # Written so that NaN is a fault as well.
    bad = ~((probs >= 0).all(1) & (np.abs(sums - 1) <= _ROUNDING))
    if bad.any():
        first = int(bad.argmax())
        raise UserError(
            f"probabilities: {bad.sum()} of {len(probs)} rows are no probabilities (numbers from "
            f"0 to 1 with sum 1); the first is row {first}, with sum {sums[first]:.4g}"
        )
    outside = (labels < 0) | (labels >= probs.shape[1])
    if outside.any():
        raise UserError(
            f"labels: {labels[outside][0]} is outside of 0 to {probs.shape[1] - 1}, the classes "
            "that there are probabilities of"
        )


def means_over_classes(confusions: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the scores that follow from counts [..., K, K], rows being true classes: [...]."""
    support, hits = confusions.sum(-1), np.diagonal(confusions, axis1=-2, axis2=-1)  # [..., K]
    answers = confusions.sum(-2)
    figures = {
        "precision": _share(hits, answers),
        "recall": _share(hits, support),
        "f1": _share(2 * hits, answers + support),
    }
    weights = support / support.sum(-1, keepdims=True)
    n_present = (support > 0).sum(-1)
    return {
        "balanced_accuracy": figures["recall"].sum(-1) / n_present,
        **{f"macro_{name}": values.mean(-1) for name, values in figures.items()},
        **{f"weighted_{name}": (weights * values).sum(-1) for name, values in figures.items()},
    }


def is_in_top(probs: Floats, labels: Integers) -> npt.NDArray[np.bool_]:
    """Return for each image whether its class is among the 3 most probable; first of equals."""
    top = np.argsort(-probs, axis=1, kind="stable")[:, :N_TOP]
    found: npt.NDArray[np.bool_] = (top == labels[:, None]).any(1)
    return found


def losses(probs: Floats, labels: Integers) -> npt.NDArray[np.float64]:
    """Return -log p(true class) of each image, in nats, p being at least 2^-52."""
    own = probs[np.arange(len(labels)), labels].astype(np.float64)
    nats: npt.NDArray[np.float64] = -np.log(own.clip(np.finfo(np.float64).eps, 1))
    return nats


def expected_calibration_error(probs: Floats, labels: Integers, n_bins: int = N_BINS) -> float:
    """Return the mean gap between confidence and accuracy (Guo et al. 2017, arXiv 1706.04599).

    Images fall into bins of equal width by the probability p of their predicted class; the result
    is sum over bins of n_bin / n * |accuracy - mean p|.
    """
    confidence = probs.max(1).astype(np.float64)
    is_correct = probs.argmax(1) == labels
    # Open below, closed above, as in the paper: (0, 1/15], (1/15, 2/15] ...
    bins = (np.ceil(confidence * n_bins).astype(int) - 1).clip(0, n_bins - 1)
    gaps = np.bincount(bins, weights=is_correct - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(labels))


def _share(
    part: npt.NDArray[np.integer], whole: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return part / whole, 0 where the whole is 0."""
    shares: npt.NDArray[np.float64] = part / np.maximum(whole, 1)
    return shares
