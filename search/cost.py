"""What a study has cost: time, epochs, and the epochs that pruning saved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from search.trials import is_counted


@dataclass(frozen=True)
class Cost:
    """Of all trials that count."""

    busy_s: float
    """Time in which at least one trial trained; pauses between two runs are none of it."""
    trial_s: float
    """The trials' own times added up: more than `busy_s` where several train at once."""
    n_epochs: int
    n_epochs_saved: int
    """Those that pruned trials would have trained further; no failed trial's."""

    @property
    def saved_fraction(self) -> float:
        """The share of all epochs that pruning has saved."""
        n_all = self.n_epochs + self.n_epochs_saved
        return self.n_epochs_saved / n_all if n_all else 0.0


def cost_of(trials: Iterable[FrozenTrial], epochs: int | None) -> Cost:
    """Add up what trials have cost.

    Args:
        epochs: the most that a trial trains; None if that is not known.
    """
    counted = [trial for trial in trials if is_counted(trial)]
    reached = {trial.number: max(trial.intermediate_values, default=0) for trial in counted}
    saved = sum(
        max(0, (epochs or 0) - reached[trial.number])
        for trial in counted
        if trial.state == TrialState.PRUNED
    )
    spans = [
        (trial.datetime_start.timestamp(), trial.datetime_complete.timestamp())
        for trial in counted
        if trial.datetime_start is not None and trial.datetime_complete is not None
    ]
    return Cost(
        busy_s=_covered(spans),
        trial_s=sum(end - start for start, end in spans),
        n_epochs=sum(reached.values()),
        n_epochs_saved=saved,
    )


def duration(seconds: float) -> str:
    """Write a time as people say it: 42 s, 3.5 min, 2.1 h."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of the union of spans."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
