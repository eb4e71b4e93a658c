"""The diagnosis of one trial: every rule is asked, the gravest answer comes first."""

import math
from collections.abc import Callable, Mapping

from search.diagnosis.curves import MIN_EPOCHS, Curves
from search.diagnosis.ending import saturated, still_improving
from search.diagnosis.finding import Finding, by_severity
from search.diagnosis.fit import overfitting, underfitting
from search.diagnosis.learning import diverged, lr_too_high, lr_too_low, stuck_at_chance
from search.diagnosis.stability import noisy, sudden_drop
from search.files.history import History

Rule = Callable[[Curves], Finding | None]

SPOILING: Mapping[str, Rule] = {"diverged": diverged, "stuck_at_chance": stuck_at_chance}
"""Rules whose finding leaves nothing for others to find."""
RULES: Mapping[str, Rule] = {
    **SPOILING,
    "lr_too_high": lr_too_high,
    "lr_too_low": lr_too_low,
    "still_improving": still_improving,
    "overfitting": overfitting,
    "underfitting": underfitting,
    "noisy": noisy,
    "sudden_drop": sudden_drop,
    "saturated": saturated,
}
"""All rules by the name that their findings bear."""


def diagnose(
    history: History, *, n_val: int, n_classes: int, epochs: int, chance: float | None = None
) -> tuple[Finding, ...]:
    """Return what a trial's curves show, the gravest first.

    Curves of fewer than three epochs show nothing, unless they diverged.

    Args:
        n_val: validation images.
        epochs: the study's budget.
        chance: the share of the most frequent class; None: the classes are equally frequent.
    """
    if not history.epochs:
        return ()
    curves = Curves(history, n_val, n_classes, chance or 1 / n_classes, epochs)
    for rule in SPOILING.values():
        if finding := rule(curves):
            return (finding,)
    if len(history.epochs) < MIN_EPOCHS or not all(map(math.isfinite, history.values)):
        return ()
    others = (rule(curves) for name, rule in RULES.items() if name not in SPOILING)
    return by_severity(finding for finding in others if finding is not None)
