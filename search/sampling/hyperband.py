"""Hyperband (Li et al. 2018, JMLR 18): trials in brackets, which are judged at rungs of their own.

At a rung the best third trains on of all in the bracket that have reached it. That is the rule of
Optuna's `HyperbandPruner`, which however goes by trials' numbers and by marks that it leaves on
them: both are others' where a stopped trial goes on. Here all is read off the trials' places and
off what they have reported.
"""

import math
from binascii import crc32
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial

from search.trials.reading import is_counted, place
from search.trials.roll import Newly

_FACTOR = 3
"""One in so many trains on, and each rung has so many times the epochs of the one before."""
Rung = tuple[int, int]
"""A bracket and an epoch."""


class Hyperband:
    """Prunes the trials of one study; the first rung is at an eighth of the budget."""

    def __init__(self, epochs: int) -> None:
        first = math.ceil(epochs / 8)
        n_brackets = math.floor(math.log(epochs / first, _FACTOR)) + 1
        self._rungs = [_rungs(first * _FACTOR**bracket, epochs) for bracket in range(n_brackets)]
        # Of n brackets, one that halves s times gets n * 3^s / (s + 1) of the trials.
        self._shares = [
            math.ceil(n_brackets * _FACTOR**s / (s + 1)) for s in reversed(range(n_brackets))
        ]
        self._newly = Newly()
        self._ended: defaultdict[Rung, list[float]] = defaultdict(list)
        """The values with which trials that have ended had reached a rung."""

    def doomed(self, study: Study, epochs: Mapping[int, int]) -> set[int]:
        """Return which trials are to end, of these that have each just reported an epoch."""
        if not any(epoch in rungs for epoch in epochs.values() for rungs in self._rungs):
            return set()  # without a look at the storage: most epochs are no rung
        trials, name = study.get_trials(deepcopy=False), study.study_name
        ended, left = self._newly.ended(trials)
        for rung, value in self._reached(ended, name):
            self._ended[rung].append(value)
        running = defaultdict(list)
        for rung, value in self._reached(left, name):
            running[rung].append(value)
        doomed = set()
        for number, epoch in epochs.items():
            rung = self._bracket(trials[number], name), epoch
            values = self._ended[rung] + running[rung]
            if values and not is_kept(trials[number].intermediate_values[epoch], values):
                doomed.add(number)
        return doomed

    def _bracket(self, trial: FrozenTrial, study_name: str) -> int:
        """Return the bracket of a trial's place, in which Optuna has the trial of this number."""
        at = crc32(f"{study_name}_{place(trial)}".encode()) % sum(self._shares)
        return next(
            bracket
            for bracket in range(len(self._shares))
            if at < sum(self._shares[: bracket + 1])
        )

    def _reached(
        self, trials: Iterable[FrozenTrial], study_name: str
    ) -> Iterator[tuple[Rung, float]]:
        """Yield the rungs that those have reached that count, and with which values."""
        for trial in filter(is_counted, trials):
            bracket = self._bracket(trial, study_name)
            for epoch in self._rungs[bracket]:
                value = trial.intermediate_values.get(epoch, math.nan)
                if not math.isnan(value):
                    yield (bracket, epoch), value


def is_kept(value: float, values: Sequence[float]) -> bool:
    """Tell whether a value is among the best third of all values at a rung, its own included.

    Of fewer than three the best is kept; values equal to one that is kept are kept too.
    """
    n_kept = max(1, len(values) // _FACTOR)
    return sum(other > value for other in values) < n_kept


def _rungs(first: int, epochs: int) -> list[int]:
    """Return the epochs at which a bracket's trials are judged: before the last."""
    rungs = []
    while first < epochs:
        rungs.append(first)
        first *= _FACTOR
    return rungs
