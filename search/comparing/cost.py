"""What a study has cost: time, epochs, energy, and the epochs that pruning saved."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from search.files.history import ENERGY, History
from search.trials.reading import FAILURE, INTERRUPTED, TRACEBACK, UNCLAIMED, is_counted


@dataclass(frozen=True)
class Cost:
    """Epochs of all trials that count, and the time of those that were stopped as well.

    Of a trial whose process has died nobody knows when; its time is left out.
    """

    busy_s: float
    """Time in which at least one trial trained; pauses between two runs are none of it."""
    trial_s: float
    """The trials' own times added up: more than `busy_s` where several train at once."""
    n_epochs: int
    n_epochs_saved: int
    """Those that pruned trials would have trained further; none of one that could not go on."""
    energy_j: float | None = None
    """Of the epochs of which it is known; None if it is of none."""
    n_epochs_metered: int = 0
    """Those epochs."""

    @property
    def saved_fraction(self) -> float:
        """The share of all epochs that pruning has saved."""
        n_all = self.n_epochs + self.n_epochs_saved
        return self.n_epochs_saved / n_all if n_all else 0.0


def cost_of(
    trials: Iterable[FrozenTrial], epochs: int | None, histories: Iterable[History] = ()
) -> Cost:
    """Add up what trials have cost.

    Args:
        trials: all of the study's, those that were stopped too.
        epochs: the most that a trial trains; None if that is not known.
        histories: of these trials, which tell the energy.
    """
    trials = list(trials)
    counted = [trial for trial in trials if is_counted(trial)]
    reached = {trial.number: max(trial.intermediate_values, default=0) for trial in counted}
    saved = sum(
        max(0, (epochs or 0) - reached[trial.number])
        for trial in counted
        if trial.state == TrialState.PRUNED and FAILURE not in trial.user_attrs
    )
    spans = [
        (trial.datetime_start.timestamp(), trial.datetime_complete.timestamp())
        for trial in trials
        if trial.datetime_start is not None
        and trial.datetime_complete is not None
        and _trained_until_its_end(trial)
    ]
    joules = [
        of_epoch
        for history in histories
        for of_epoch in history.column(ENERGY)
        if math.isfinite(of_epoch)
    ]
    return Cost(
        busy_s=_covered(spans),
        trial_s=sum(end - start for start, end in spans),
        n_epochs=sum(reached.values()),
        n_epochs_saved=saved,
        energy_j=math.fsum(joules) if joules else None,
        n_epochs_metered=len(joules),
    )


def duration(seconds: float) -> str:
    """Write a time as people say it: 42 s, 3.5 min, 2.1 h."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def energy(cost: Cost) -> str | None:
    """Write the energy in Wh or kWh, and of how many epochs it is if not of all."""
    if cost.energy_j is None:
        return None
    wh = cost.energy_j / 3600
    if wh < 0.001:
        text = "under 0.001 Wh"
    else:
        number, unit = (wh, "Wh") if wh < 999.5 else (wh / 1000, "kWh")
        text = f"{number:.3g} {unit}" if number < 999.5 else f"{number:,.0f} {unit}"
    if cost.n_epochs_metered >= cost.n_epochs:
        return text
    return f"{text} in {cost.n_epochs_metered:,} of {cost.n_epochs:,} epochs"


def _trained_until_its_end(trial: FrozenTrial) -> bool:
    """Tell whether a trial was closed by the process that trained it, when it no longer did."""
    if trial.state != TrialState.FAIL:
        return True
    attrs = trial.user_attrs
    return TRACEBACK in attrs or attrs.get(INTERRUPTED, UNCLAIMED) != UNCLAIMED


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of the union of spans."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
