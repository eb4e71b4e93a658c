"""Is the course smooth? Noise from epoch to epoch, and sudden drops."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from search.diagnosis.advice import own, strongest
from search.diagnosis.curves import Curves, standard_error
from search.diagnosis.finding import Finding

SKIPPED_SHARE = 1 / 4
"""The first quarter of the epochs is left out: there a curve bends, which is no noise."""
MIN_DIFFERENCES = 4
"""The fewest second differences that a spread is estimated from: eight epochs."""
P_NOISE = 0.01
"""Of a curve being called noisy though its spread is what sampling explains."""
DROP_Z = 3
"""Standard errors of a difference, sqrt(2) of an accuracy's: by chance one epoch in 741. Where the
curve jumps about more than sampling explains, its own spread takes the standard error's place."""
LEVEL_EPOCHS = 3
"""The level before a drop is the median of the three epochs before."""
MOST_DROPS = 2
"""More drops than two in a trial are noise, not events."""


def noisy(curves: Curves) -> Finding | None:
    """Tell of a validation accuracy that jumps more than as many images explain.

    The spread is estimated from second differences, which no steady rise enters (Gasser, Sroka
    and Jennen-Steinmetz 1986). All epochs see the same images, so that the standard error of an
    accuracy is more than sampling makes of it.
    """
    val = curves.val
    first = math.ceil(SKIPPED_SHARE * len(val))
    is_calm = np.ones(len(val), dtype=np.bool_)
    for drop in _events(curves):
        is_calm[drop.index : drop.until + 1] = False
    pairs = [
        (index, val[index - 1] - 2 * val[index] + val[index + 1])
        for index in range(first + 1, len(val) - 1)
        if is_calm[index - 1 : index + 2].all()
    ]
    if len(pairs) < MIN_DIFFERENCES:
        return None
    # The variance of a - 2b + c is 6 of theirs; neighbours share terms, which leaves 18/35 of
    # the degrees of freedom.
    spread = math.sqrt(float(np.mean([difference**2 for _, difference in pairs])) / 6)
    n_free = len(pairs) * 18 / 35
    expected = standard_error(float(np.median(val[first:])), curves.n_val)
    if spread <= expected * math.sqrt(stats.chi2.isf(P_NOISE, n_free) / n_free):
        return None
    worst, _ = max(pairs, key=lambda pair: abs(pair[1]))
    return Finding(
        "noisy",
        "high" if spread >= curves.resolution else "medium",
        f"noisy: validation accuracy jumps by {spread:.3f} from epoch to epoch (standard "
        f"deviation), {spread / expected:.1f} times what {curves.n_val:,} images explain; most "
        f"around epoch {curves.epochs[worst]} ({val[worst - 1]:.3f}, {val[worst]:.3f}, "
        f"{val[worst + 1]:.3f}), so that its best epoch is partly luck",
        f"lower the upper end of lr{own(curves.params, 'lr')}, let it decay (schedule cosine), "
        "average weights (ema_decay 0.99) or take larger batches",
        epochs=(curves.epochs[worst - 1], curves.epochs[worst], curves.epochs[worst + 1]),
        values=(float(val[worst - 1]), float(val[worst]), float(val[worst + 1])),
    )


def sudden_drop(curves: Curves) -> Finding | None:
    """Tell of a validation accuracy that falls at once, and whether it comes back."""
    drops = _events(curves)
    if not drops:
        return None
    drop = max(drops, key=lambda one: one.level - float(curves.val[one.index]))
    epochs, val = curves.epochs, curves.val
    low = float(val[drop.index])
    message = (
        f"sudden drop at epoch {epochs[drop.index]}: validation accuracy {drop.level:.3f} -> "
        f"{low:.3f}"
    )
    if drop.is_recovered:
        message += f", back at epoch {epochs[drop.until]} ({val[drop.until]:.3f})"
    else:
        message += f", never back ({val[-1]:.3f} at epoch {epochs[-1]})"
    penalty = curves.metric("penalty")
    if penalty is not None and penalty[drop.until] < penalty[drop.index - 1] / 2:
        message += (
            f"; the penalty fell from {penalty[drop.index - 1]:.3g} to "
            f"{penalty[drop.until]:.3g} meanwhile: weights went to zero"
        )
    is_last = drop.index == len(val) - 1
    used = strongest(curves.params, ("l1", "dense_l1"))
    return Finding(
        "sudden_drop",
        "medium" if drop.is_recovered or is_last else "high",
        message,
        f"lower the upper ends of L1 ({used}) and of lr{own(curves.params, 'lr')}"
        if used
        else f"lower the upper end of lr{own(curves.params, 'lr')} or let it decay",
        epochs=(epochs[drop.index], epochs[drop.until]),
        values=(drop.level, low, float(val[drop.until])),
    )


@dataclass(frozen=True)
class _Drop:
    index: int
    """Of the first epoch after the fall."""
    level: float
    """Before."""
    until: int
    """The epoch's index at which the level is reached again, else the last."""
    is_recovered: bool


def _events(curves: Curves) -> list[_Drop]:
    """Return the drops if they are few enough to be events."""
    drops = _drops(curves.val, curves)
    return drops if len(drops) <= MOST_DROPS else []


def _drops(val: npt.NDArray[np.float64], curves: Curves) -> list[_Drop]:
    drops = []
    usual = _usual_spread(val)
    index = 1
    while index < len(val):
        level = float(np.median(val[max(0, index - LEVEL_EPOCHS) : index]))
        error = standard_error(level, curves.n_val)
        is_drop = val[index] < level - DROP_Z * math.sqrt(2) * max(error, usual)
        if not (is_drop and level > curves.most_by_chance):
            index += 1
            continue
        back = [later for later in range(index + 1, len(val)) if val[later] >= level - error]
        until = back[0] if back else len(val) - 1
        drops.append(_Drop(index, level, until, bool(back)))
        index = until + 1
    return drops


def _usual_spread(val: npt.NDArray[np.float64]) -> float:
    """Return the spread from epoch to epoch by the median, which few drops do not move."""
    if len(val) < MIN_DIFFERENCES + 2:
        return 0.0
    typical = np.median(np.abs(np.diff(val, n=2)))
    return float(typical / stats.norm.ppf(3 / 4)) / math.sqrt(6)
