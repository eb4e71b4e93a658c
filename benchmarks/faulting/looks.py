"""Looks at a journal while others write to it, and what of each trial must never change again."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from benchmarks.faulting.setting import STUDY
from commands.errors import UserError
from search.storages.journal import Journal
from search.trials.reading import is_counted, place

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_CLAIM = b'{"op_code":4,'  # optuna.storages.journal: CREATE_TRIAL

Facts = dict[str, Any]
"""What is written of a trial, in values that JSON has."""


def open_journal(journal: Path) -> JournalStorage:
    """Open a journal to read it; `UserError` if it is damaged."""
    return JournalStorage(Journal(journal, say=lambda line: None))


def trials(journal: Path) -> list[FrozenTrial]:
    """Return the trials of the study; none as long as there is no study."""
    if not journal.exists():
        return []
    storage = open_journal(journal)
    if STUDY not in optuna.get_all_study_names(storage):
        return []
    return optuna.load_study(study_name=STUDY, storage=storage).get_trials(deepcopy=False)


class Looks:
    """All that has been seen of finished trials."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.seen: dict[int, Facts] = {}
        """By number, as each was when it was first seen finished."""

    def look(self) -> list[FrozenTrial]:
        """Look once; nothing is seen in a journal that cannot be read at the moment."""
        try:
            found = trials(self._journal)
        except (UserError, OSError):
            return []
        for trial in found:
            if trial.state in FINISHED:
                self.seen.setdefault(trial.number, facts(trial))
        return found

    def n_lines(self) -> int:
        """Count the lines of the journal."""
        return self._content().count(b"\n")

    def n_claims(self) -> int:
        """Count the trials that were ever begun."""
        return sum(line.startswith(_CLAIM) for line in self._content().split(b"\n"))

    def _content(self) -> bytes:
        return self._journal.read_bytes() if self._journal.exists() else b""


def facts(trial: FrozenTrial) -> Facts:
    """Return all that is written of a trial, as JSON gives it back."""
    attributes = {"user": trial.user_attrs, "system": trial.system_attrs}
    told = outcome(trial) | {"attributes": json.loads(json.dumps(attributes))}
    return told | {"ended": str(trial.datetime_complete)}


def outcome(trial: FrozenTrial) -> Facts:
    """Return what a trial was and came to: the same in an undisturbed study."""
    reports = {str(step): value for step, value in sorted(trial.intermediate_values.items())}
    came_to = {
        "state": trial.state.name,
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "params": trial.params,
        "reports": reports,
    }
    told: Facts = json.loads(json.dumps(came_to))
    return told


def by_place(found: Iterable[FrozenTrial]) -> dict[str, Facts]:
    """Return the outcomes of the trials that count, by their place in the study."""
    return {str(place(trial)): outcome(trial) for trial in found if is_counted(trial)}
