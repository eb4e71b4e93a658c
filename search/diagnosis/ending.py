"""How does training end: still improving, or long saturated? Whether the epochs are well spent."""

import math

import numpy as np

from search.diagnosis.curves import Curves, trend
from search.diagnosis.finding import Finding

WINDOW_SHARE = 1 / 4
"""The last quarter of the epochs is the end: what one would add when one adds epochs."""
MIN_WINDOW_EPOCHS = 5
"""A line through five points leaves three degrees of freedom to judge its slope by."""
P_TREND = 0.05
"""A level course passes for a rising one in one case of twenty."""
RECENT_EPOCHS = 3
"""The best epoch of a curve that still improves is among the last three."""
LEVEL_SHARE = 1 / 2
"""Saturated is what spent at least half of its epochs on its last level."""
MIN_LEVEL_EPOCHS = 6
"""The fewest epochs whose second half is a course: it needs three points."""


def still_improving(curves: Curves) -> Finding | None:
    """Tell of a validation accuracy that rises in the last quarter of a whole budget.

    By at least one standard error; where accuracy is too coarse to show it, the validation loss
    must fall by as large a share as one standard error is of the validation error.
    """
    n = max(MIN_WINDOW_EPOCHS, math.ceil(WINDOW_SHARE * len(curves.epochs)))
    if not curves.has_trained_all or len(curves.epochs) < n:
        return None
    epochs, val = curves.epochs[-n:], curves.val
    course = trend(epochs, val[-n:])
    is_recent = len(val) - int(val.argmax()) <= RECENT_EPOCHS
    if is_recent and course.p_rising < P_TREND and course.rise >= curves.standard_error:
        return Finding(
            "still_improving",
            "high" if course.rise >= curves.resolution else "medium",
            f"still improving at the end: validation accuracy rose by {course.rise:.3f} from "
            f"epoch {epochs[0]} ({val[-n]:.3f}) to {epochs[-1]} ({val[-1]:.3f}), "
            f"{course.rise / curves.standard_error:.1f} standard errors",
            f"raise the epochs: another {n} at this pace bring {course.rise:.3f}",
            epochs=(epochs[0], epochs[-1]),
            values=(float(val[-n]), float(val[-1])),
        )
    return _falling_loss(curves, n) if course.rise >= 0 else None


def saturated(curves: Curves) -> Finding | None:
    """Tell of a validation accuracy that has been level for at least half of the epochs.

    Not where it, or the validation loss, still improves.
    """
    epochs, val = curves.epochs, curves.val
    if not curves.history.is_complete or len(epochs) < MIN_LEVEL_EPOCHS:
        return None
    if val.max() <= curves.most_by_chance or still_improving(curves):
        return None
    # The middle of three is the mean's epoch, so that one lucky epoch does not count.
    smooth = np.convolve(val, np.ones(3) / 3, mode="valid")
    reached = 1 + int(np.argmax(smooth >= curves.val_end - curves.standard_error))
    n_level = len(epochs) - reached
    if n_level < LEVEL_SHARE * len(epochs):
        return None
    course = trend(epochs[reached:], val[reached:])
    if course.p_rising < P_TREND and course.rise >= curves.standard_error:
        return None
    best = int(val.argmax())
    train_end = curves.train_end
    is_fitted = train_end is not None and 1 - train_end < curves.standard_error
    fitted = f"; training accuracy is saturated too ({train_end:.3f})" if is_fitted else ""
    return Finding(
        "saturated",
        "medium" if is_fitted else "low",
        f"saturated: validation accuracy is level since epoch {epochs[reached]} "
        f"({val[reached]:.3f}), {curves.val_end:.3f} at the end, at most {val[best]:.3f} at epoch "
        f"{epochs[best]}{fitted}",
        "the network is large enough: regularise or augment, more epochs or width bring nothing"
        if is_fitted
        else f"fewer epochs would do (--epochs {epochs[reached] + len(epochs) // 4}); change "
        "what limits it, not how long it trains",
        epochs=(epochs[reached], epochs[best], epochs[-1]),
        values=(float(val[reached]), float(val[best]), curves.val_end),
    )


def _falling_loss(curves: Curves, n: int) -> Finding | None:
    loss = curves.metric("val_loss")
    if loss is None or len(loss) - int(loss.argmin()) > RECENT_EPOCHS:
        return None
    epochs = curves.epochs[-n:]
    course = trend(epochs, loss[-n:])
    least = curves.standard_error / (1 - curves.val_end + curves.standard_error)
    if course.p_falling >= P_TREND or -course.rise < least * loss[-n]:
        return None
    return Finding(
        "still_improving",
        "low",
        f"the validation loss still falls at the end: {loss[-n]:.3f} at epoch {epochs[0]}, "
        f"{loss[-1]:.3f} at {epochs[-1]}; accuracy is too coarse to show it",
        "more epochs may bring a little",
        epochs=(epochs[0], epochs[-1]),
        values=(float(loss[-n]), float(loss[-1])),
    )
