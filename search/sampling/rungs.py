"""The rung rule: at an eighth, a quarter and half of the budget, the better half trains on.

Optuna's successive halving decides differently when the same trials are asked about in another
order. Here a trial is judged by a set, not a sequence: the best values so far of all trials that
have reached the rung, whatever became of them. Members of a cohort all report before any of them
is judged, so that none is spared for being asked about first.

After Li et al. 2020 (arXiv 1810.05934), who rank in the same asynchronous way.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.trials.reading import best_until
from search.trials.roll import Newly

_FRACTIONS = (1 / 8, 1 / 4, 1 / 2)  # each rung doubles the epochs and halves the trials
_KEPT = 1 / 2
_N_MIN = 5
"""Trials at a rung before it prunes: the better half of fewer says little."""

_STATES = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


def rungs(epochs: int) -> tuple[int, ...]:
    """Return the epochs at which trials are judged: distinct, and before the last."""
    at = {math.ceil(epochs * fraction) for fraction in _FRACTIONS}
    return tuple(sorted(epoch for epoch in at if epoch < epochs))


def is_kept(value: float, values: Sequence[float]) -> bool:
    """Tell whether a value is among the better half of all values at a rung, its own included.

    With few values all are kept; values equal to one that is kept are kept too.
    """
    n_better = sum(other > value for other in values)
    return len(values) < _N_MIN or n_better < len(values) * _KEPT


class RungPruner:
    """Prunes the trials of one study by the rung rule."""

    def __init__(self, epochs: int) -> None:
        self._rungs = rungs(epochs)
        self._newly = Newly()
        self._ended: dict[int, dict[int, float]] = {rung: {} for rung in self._rungs}
        """Of trials that have ended, which change no more: best values by rung and number."""

    def doomed(self, study: Study, epochs: Mapping[int, int]) -> set[int]:
        """Return which trials are to end, of these that have each just reported an epoch."""
        judged = {number: epoch for number, epoch in epochs.items() if epoch in self._rungs}
        if not judged:
            return set()  # without a look at the storage: most epochs are no rung
        ended, running = self._newly.ended(study.get_trials(deepcopy=False))
        for rung, reached in self._ended.items():
            reached |= _reached(ended, rung)
        doomed: set[int] = set()
        for rung in set(judged.values()):
            reached = self._ended[rung] | _reached(running, rung)
            values = list(reached.values())
            doomed |= {
                number
                for number, epoch in judged.items()
                if epoch == rung and number in reached and not is_kept(reached[number], values)
            }
        return doomed


def _reached(trials: Iterable[FrozenTrial], rung: int) -> dict[int, float]:
    """Return the best values, by number, of those among these that count at a rung."""
    best = ((each.number, best_until(each, rung)) for each in trials if each.state in _STATES)
    return {number: value for number, value in best if value is not None}
