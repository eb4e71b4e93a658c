"""The pruners by name, behind one question: which of these running trials are to end?

It is asked once an epoch, after all members of a cohort have reported. Pruners stand beside the
study, not in it: inside, Optuna would ask them about each member before the next has reported.
"""

import math
from collections.abc import Mapping
from copy import copy
from typing import Protocol

from optuna.pruners import BasePruner, MedianPruner
from optuna.study import Study

from commands.errors import UserError
from search.sampling.hyperband import Hyperband
from search.sampling.rungs import RungPruner

PRUNERS = ("rungs", "median", "hyperband", "none")
"""The names, default first."""


class Pruner(Protocol):
    """Decides which running trials end early."""

    def doomed(self, study: Study, epochs: Mapping[int, int]) -> set[int]:
        """Return which trials are to end, of these that have each just reported an epoch."""


def make_pruner(name: str, epochs: int) -> Pruner:
    """Return the named pruner for trials of at most so many epochs."""
    eighth = math.ceil(epochs / 8)
    match name:
        case "rungs":
            return RungPruner(epochs)
        case "median":
            return OptunaPruner(MedianPruner(n_startup_trials=5, n_warmup_steps=eighth))
        case "hyperband":
            return Hyperband(epochs)
        case "none":
            return NoPruner()
    raise UserError(f"--pruner {name}: unknown; there are {', '.join(PRUNERS)}")


class NoPruner:
    """Lets every trial train to its end."""

    def doomed(self, study: Study, epochs: Mapping[int, int]) -> set[int]:
        """Return none."""
        return set()


class OptunaPruner:
    """Asks one of Optuna's pruners, trial by trial in the order of their numbers."""

    def __init__(self, pruner: BasePruner) -> None:
        self._pruner = pruner

    def doomed(self, study: Study, epochs: Mapping[int, int]) -> set[int]:
        """Return which trials are to end, of these that have each just reported an epoch."""
        trials = study.get_trials(deepcopy=False)
        return {
            number for number in sorted(epochs) if self._pruner.prune(study, copy(trials[number]))
        }
