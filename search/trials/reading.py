"""Reading trials: which of them count, where they are in the space, and which is best.

Also the names of the attributes that the engine leaves on a trial.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.space.values import Value

OWNER = "owner"
"""The process that runs the trial: see `search.hosts.owner`."""
PLACE = "place"
"""Which of the study's trials it is, from 0: what goes on for a stopped one has its place."""
CONTINUES = "continues"
"""The number of the stopped trial that this one goes on for."""
DEATHS = "deaths"
"""How often in a row processes have died over it, and the last epoch that they had reported."""
BEAT = "beat"
"""A count that its process raises as long as it lives. See `search.hosts.heartbeat`."""
SEED = "seed"
"""The member's seed."""
CONFIG = "config"
"""The complete configuration, ready for TOML."""
ENVIRONMENT = "environment"
"""Versions, device and commit."""
BEST_EPOCH = "best_epoch"
"""The epoch of the trial's value, from 1."""
METRICS = "metrics"
"""The other metrics of that epoch."""
ARTIFACTS = "artifacts"
"""Ids of the files that it left, by name. See `search.files.artifacts`."""
TRACEBACK = "traceback"
"""The end of the traceback of a trial that raised."""
FAILURE = "failure"
"""Why training could not go on; the trial counts."""
FAILED_EPOCH = "failed_epoch"
"""The epoch in which it could not."""
LAST_GOOD = "last_good"
"""The epoch before, and its value."""
INFEASIBLE = "infeasible"
"""What a single network of these parameters needs and does not get (memory)."""
INTERRUPTED = "interrupted"
"""What stopped the trial from outside (Ctrl-C, the timeout); it does not count, and goes on."""
UNCLAIMED = "its claim was given up: the storage had gone away"
"""What interrupted a trial that nobody is to go on with, and that goes on for none."""
LOST = "lost"
"""How the trial's process was found dead, or failed; the trial does not count, and goes on."""

Point = tuple[tuple[str, Value], ...]


def is_counted(trial: FrozenTrial) -> bool:
    """Tell whether a trial is one of the study's total.

    Complete, pruned and running ones are, and those that failed of their own making; those that
    wait are not yet, and those interrupted or lost never were.
    """
    if trial.state == TrialState.FAIL:
        return not {INTERRUPTED, LOST} & trial.user_attrs.keys()
    return trial.state != TrialState.WAITING


def place(trial: FrozenTrial) -> int:
    """Return which of the study's trials this is; its number where nobody has said so."""
    own = trial.user_attrs.get(PLACE)
    return own if isinstance(own, int) else trial.number


def free_place(trials: Iterable[FrozenTrial]) -> int:
    """Return the first place that no counted trial has."""
    taken = {place(trial) for trial in trials if is_counted(trial)}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def goes_on(trial: FrozenTrial) -> bool:
    """Tell whether this is a stopped trial, of which enough was written down to go on with."""
    return (
        trial.state == TrialState.FAIL
        and not is_counted(trial)
        and {PLACE, CONFIG, SEED} <= trial.user_attrs.keys()
    )


def unfinished(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the stopped trials that nobody has gone on for yet, in the order of their places.

    Those that were stopped before their configuration was written down are drawn again.
    """
    trials = [each for each in trials if each.user_attrs.get(INTERRUPTED) != UNCLAIMED]
    continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
    stopped = (trial for trial in trials if goes_on(trial) and trial.number not in continued)
    return sorted(stopped, key=place)


def point(params: Mapping[str, Any]) -> Point:
    """Return the parameters as something that can be compared and put into a set."""
    return tuple(sorted(params.items()))


def best_until(trial: FrozenTrial, epoch: int) -> float | None:
    """Return the best value reported up to an epoch; None if the trial has not reached it."""
    reported = trial.intermediate_values
    if not any(step >= epoch for step in reported):
        return None
    values = [value for step, value in reported.items() if step <= epoch and not math.isnan(value)]
    return max(values, default=-math.inf)


def best_value(trial: FrozenTrial) -> float | None:
    """Return the best value that a trial has reached, also where it did not train to its end."""
    if trial.state == TrialState.COMPLETE:
        return trial.value
    values = [value for value in trial.intermediate_values.values() if not math.isnan(value)]
    return max(values, default=None)


def ranked(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials, best first; of equal values the earlier one, as in Optuna."""

    def order(trial: FrozenTrial) -> tuple[float, int]:
        return -(trial.value if trial.value is not None else -math.inf), trial.number

    return sorted((trial for trial in trials if trial.state == TrialState.COMPLETE), key=order)


@dataclass(frozen=True)
class Tally:
    """How a study stands: its counted trials by state, and the best."""

    n_complete: int
    n_pruned: int
    n_failed: int
    n_running: int
    """Trials of this and of other processes that train now."""
    best: FrozenTrial | None

    @property
    def n_ended(self) -> int:
        """Counted trials that train no more."""
        return self.n_complete + self.n_pruned + self.n_failed


def tally(trials: Iterable[FrozenTrial]) -> Tally:
    """Count the trials of a study's total by state, and find the best."""
    counted = [trial for trial in trials if is_counted(trial)]
    n = Counter(trial.state for trial in counted)
    return Tally(
        n_complete=n[TrialState.COMPLETE],
        n_pruned=n[TrialState.PRUNED],
        n_failed=n[TrialState.FAIL],
        n_running=n[TrialState.RUNNING],
        best=next(iter(ranked(counted)), None),
    )
