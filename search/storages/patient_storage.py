"""Optuna's storage, asked with patience: a search outlives an outage and loses nothing of it.

What is written about this process's trials never waits: it goes to a spool while the storage is
away, and training goes on. Whatever needs an answer waits, after what is in the spool has been
delivered, so that nothing is ever read out of order.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, get_storage
from optuna.trial import FrozenTrial, TrialState

from search.storages.patience import Patience, is_outage
from search.storages.spool import (
    END,
    REPORT,
    SYSTEM_ATTR,
    UNSENT,
    USER_ATTR,
    Spool,
    Write,
    is_same,
    left_in,
)
from search.trials.reading import BEAT, OWNER

T = TypeVar("T")


def _waiting(name: str) -> Any:
    """Return a method that waits for the storage's answer."""

    def ask(self: "PatientStorage", *arguments: Any, **named: Any) -> Any:
        return self._ask(lambda: getattr(self._cached, name)(*arguments, **named))

    return ask


def _spooled(name: str) -> Any:
    """Return a method that writes about a trial, and does not wait if it is one of ours."""

    def write(self: "PatientStorage", trial_id: int, *arguments: Any) -> None:
        self._write(Write(name, trial_id, arguments))

    return write


class PatientStorage(BaseStorage):
    """A storage with which a search waits."""

    def __init__(self, storage: BaseStorage, patience: Patience, folder: Path) -> None:
        """Wrap a storage.

        Args:
            folder: where results wait while the storage is away.
        """
        self.storage = storage
        self.patience = patience
        self._cached = get_storage(storage)
        self._folder = folder
        self._spool = Spool(folder)
        patience.spool = str(folder / UNSENT)  # of whichever process says it
        self._own: set[int] = set()
        """Ids of the trials that this process has begun."""

    create_new_study = _waiting("create_new_study")
    delete_study = _waiting("delete_study")
    set_study_user_attr = _waiting("set_study_user_attr")
    set_study_system_attr = _waiting("set_study_system_attr")
    get_study_id_from_name = _waiting("get_study_id_from_name")
    get_study_name_from_id = _waiting("get_study_name_from_id")
    get_study_directions = _waiting("get_study_directions")
    get_study_user_attrs = _waiting("get_study_user_attrs")
    get_study_system_attrs = _waiting("get_study_system_attrs")
    get_all_studies = _waiting("get_all_studies")
    set_trial_param = _waiting("set_trial_param")
    get_trial_id_from_study_id_trial_number = _waiting("get_trial_id_from_study_id_trial_number")
    get_trial = _waiting("get_trial")
    get_all_trials = _waiting("get_all_trials")
    get_best_trial = _waiting("get_best_trial")
    remove_session = _waiting("remove_session")
    set_trial_intermediate_value = _spooled(REPORT)
    set_trial_system_attr = _spooled(SYSTEM_ATTR)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Write an attribute of a trial; a beat of the heart that is missed is missed."""
        if key != BEAT:
            self._write(Write(USER_ATTR, trial_id, (key, value)))
            return
        try:
            self._cached.set_trial_user_attr(trial_id, key, value)
        except Exception as error:
            if is_outage(error):
                self.patience.failed(error)
            raise

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial; one that was made although no answer came is not made again."""
        is_again = False

        def create() -> int:
            nonlocal is_again
            if is_again and (twin := self._twin(study_id, template_trial)) is not None:
                return twin
            is_again = True
            return self._cached.create_new_trial(study_id, template_trial)

        trial_id = self._ask(create)
        self._own.add(trial_id)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Begin a trial that waits, or end one."""
        if state.is_finished():
            own = None if values is None else list(values)
            self._write(Write(END, trial_id, (state.name, own)))
            return True
        began: bool = self._ask(
            lambda: self._cached.set_trial_state_values(trial_id, state, values)
        )
        if began:
            self._own.add(trial_id)
        return began

    def deliver_left(self, lock: AbstractContextManager[Any]) -> None:
        """Deliver what processes that have died left behind; done once, whoever comes."""
        if next(left_in(self._folder), None) is None:
            return
        with lock:
            for path, process, writes in left_in(self._folder):
                n_refused = 0
                for write in writes:
                    if not self._is_of(write.trial_id, process):
                        break  # another storage's
                    n_refused += not self._ask(partial(self._do, write))
                else:
                    path.unlink(missing_ok=True)
                    self.patience.say(_delivered(len(writes), n_refused, "a dead process"))

    def _ask(self, act: Callable[[], T]) -> T:
        def after_all_before() -> T:
            self._deliver()
            return act()

        return self.patience.wait_for(after_all_before)

    def _write(self, write: Write) -> None:
        if write.trial_id not in self._own:
            self._ask(lambda: self._do(write, is_strict=True))
            return
        try:
            if not self._spool.n_waiting or self.patience.is_due:
                self._deliver()
                self._do(write, is_strict=True)
                self.patience.answered()
                return
        except Exception as error:
            if not is_outage(error):
                raise
            self.patience.failed(error)
        try:
            self._spool.add(write)
        except OSError:  # no room: then it waits like anything else
            self._ask(lambda: self._do(write, is_strict=True))

    def _deliver(self) -> None:
        """Deliver what waits; doing a part of it twice does no harm."""
        if n_waiting := self._spool.n_waiting:
            n_refused = sum(not self._do(write) for write in self._spool.writes())
            self._spool.clear()
            self.patience.answered()
            self.patience.say(_delivered(n_waiting, n_refused, f"process {os.getpid()}"))

    def _do(self, write: Write, *, is_strict: bool = False) -> bool:
        """Do a write; return whether the trial took it.

        Args:
            is_strict: whether to raise `UpdateFinishedTrialError` for a trial that has ended.
        """
        try:
            write.do(self._cached)
        except UpdateFinishedTrialError:
            if self._is_done(write):
                return True
            if is_strict:
                raise
            return False
        return True

    def _is_done(self, write: Write) -> bool:
        """Tell whether a trial has ended as this would end it: done, although no answer came."""
        trial = self._cached.get_trial(write.trial_id)
        if write.method == END:
            state, values = write.arguments
            is_same_end = values is None or trial.values == values
            return trial.state.name == state and bool(is_same_end)
        if write.method == REPORT:
            step, value = write.arguments
            return bool(trial.intermediate_values.get(step) == value)
        attributes = trial.user_attrs if write.method == USER_ATTR else trial.system_attrs
        key, value = write.arguments
        return key in attributes and bool(attributes[key] == value)

    def _is_of(self, trial_id: int, process: Any) -> bool:
        try:
            trial: FrozenTrial = self.get_trial(trial_id)
        except KeyError:
            return False
        return is_same(trial.user_attrs.get(OWNER), process)

    def _twin(self, study_id: int, template: FrozenTrial | None) -> int | None:
        """Return a trial that a template has already become; None for none.

        One without a template has nothing yet by which it could be known; it is closed by the next
        claim, as one without an owner.
        """
        if template is None:
            return None
        for trial in self._cached.get_all_trials(study_id, False, (template.state,)):
            same = (trial.params, trial.user_attrs, trial.system_attrs)
            if trial._trial_id not in self._own and same == (
                template.params,
                template.user_attrs,
                template.system_attrs,
            ):
                return trial._trial_id
        return None


def _delivered(n: int, n_refused: int, whose: str) -> str:
    refused = f"; {n_refused} came too late, their trials had been gone on with elsewhere"
    return f"delivered {n - n_refused} results of {whose}{refused if n_refused else ''}"
