"""Does the network fit too little or too much? The validation error, taken apart.

Validation error = training error + gap. The larger part says what to work on (Ng 2018, Machine
Learning Yearning, chapters 20 to 23: avoidable bias and variance).
"""

from search.diagnosis.advice import AUGMENTATION, REGULARISERS, strongest
from search.diagnosis.curves import Curve, Curves, end_of
from search.diagnosis.finding import Finding, Severity

HIGH_SHARE = 1 / 2
"""From here on more of the validation error is gap than training error."""
MEDIUM_SHARE = 1 / 3
"""From here on the gap is at least half the training error; below, the training error leads."""
HIGH_RESOLUTIONS = 2
"""Resolutions that a high gap has at least: then closing half of it would show."""
WEAK_LEARNT = 1 / 2
"""An underfitting network has learnt less than half of what there is: high."""
FAIR_LEARNT = 3 / 4
"""Less than three quarters: medium."""
_ROUNDING = 1e-9
"""Accuracies are quotients of counts: 0.14 of 0.42 is a third, whatever the last digit says."""


def overfitting(curves: Curves) -> Finding | None:
    """Tell of a gap between training and validation accuracy that validation can show.

    Training accuracy is measured under dropout and augmentation, so with them the true gap is
    larger than the one seen.
    """
    train = curves.metric("train_accuracy")
    if train is None:
        return None
    train_end, val_end = end_of(train), curves.val_end
    gap = train_end - val_end
    if gap <= curves.resolution:
        return None
    share = gap / (1 - val_end)  # not 0: val_end is below train_end, which is at most 1
    opened = _opened(curves, train)
    index = curves.epochs.index(opened)
    message = (
        f"overfits: training accuracy {train_end:.3f}, validation {val_end:.3f} at the end; the "
        f"gap of {gap:.3f} is {share:.0%} of the validation error. It is open since epoch "
        f"{opened} (training {train[index]:.3f}, validation {curves.val[index]:.3f})"
    )
    used = strongest(curves.params, (*REGULARISERS, *AUGMENTATION))
    return Finding(
        "overfitting",
        _gap_severity(share, gap / curves.resolution),
        message + _rising_loss(curves),
        f"raise what regularises here ({used}), or add augmentation"
        if used
        else "add dropout (dense_drop_rate), L2 or augmentation; or narrow the network",
        epochs=(opened, curves.epochs[-1]),
        values=(train_end, val_end, gap),
    )


def underfitting(curves: Curves) -> Finding | None:
    """Tell of a training error that is most of the validation error.

    Only of complete trials, as others had no time. Where validation is the better of the two,
    which dropout and augmentation cause, it says how much has been learnt.
    """
    train_end, val_end = curves.train_end, curves.val_end
    if train_end is None or not curves.history.is_complete:
        return None
    fit = max(train_end, val_end)
    if 1 - fit <= curves.resolution:
        return None
    share = (fit - val_end) / (1 - val_end)  # not 0: val_end is at most fit, which is below 1
    if share >= MEDIUM_SHARE - _ROUNDING:
        return None
    learnt = curves.learnt(fit)
    severity: Severity = "low"
    if learnt < FAIR_LEARNT:
        severity = "high" if learnt < WEAK_LEARNT else "medium"
    used = strongest(curves.params, (*REGULARISERS, *AUGMENTATION))
    told = f"underfits: training accuracy {train_end:.3f}, validation {val_end:.3f} at the end "
    told += f"(epoch {curves.epochs[-1]}): "
    told += (
        "validation is the better one, with dropout and augmentation off"
        if train_end < val_end
        else f"{1 - share:.0%} of the validation error is there in training too"
    )
    return Finding(
        "underfitting",
        severity,
        told,
        (f"loosen what regularises here ({used}); then " if used else "")
        + "let depth and width grow, or train longer",
        epochs=(curves.epochs[-1],),
        values=(train_end, val_end),
    )


def _gap_severity(share: float, n_resolutions: float) -> Severity:
    if share >= HIGH_SHARE - _ROUNDING and n_resolutions >= HIGH_RESOLUTIONS:
        return "high"
    return "medium" if share >= MEDIUM_SHARE - _ROUNDING else "low"


def _opened(curves: Curves, train: Curve) -> int:
    """Return the epoch since which the gap has been wider than what validation resolves."""
    is_narrow = train - curves.val <= curves.resolution
    last = max((index for index, narrow in enumerate(is_narrow) if narrow), default=-1)
    return curves.epochs[min(last + 1, len(curves.epochs) - 1)]


def _rising_loss(curves: Curves) -> str:
    """Say where the validation loss was lowest, if it has risen since."""
    loss = curves.metric("val_loss")
    if loss is None:
        return ""
    index, end = int(loss.argmin()), end_of(loss)
    if index >= len(loss) - 3 or end <= loss[index]:
        return ""
    return (
        f"; validation loss was lowest at epoch {curves.epochs[index]} ({loss[index]:.3f}), "
        f"{end:.3f} at the end"
    )
