"""A storage that goes away when told so, a clock that only sleep moves, and both with patience."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from sqlalchemy.exc import OperationalError

from search.hosts import owner
from search.storages.patience import Patience
from search.storages.patient_storage import PatientStorage
from search.trials.reading import OWNER


def outage() -> StorageInternalError:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = OperationalError(
        "SELECT 1", {}, Exception("the server has gone\nHINT: wait")
    )
    return error


class Flaky(InMemoryStorage):
    """Is away when told so; may do what it is asked and yet not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.n_away = 0
        """Requests that it will not answer."""
        self.does_it_all_the_same = False
        self.asked: list[str] = []


def _flaky(name: str) -> Any:
    def ask(self: Flaky, *arguments: Any, **named: Any) -> Any:
        self.asked.append(name)
        if self.n_away:
            self.n_away -= 1
            if self.does_it_all_the_same:
                getattr(InMemoryStorage, name)(self, *arguments, **named)
            raise outage()
        return getattr(InMemoryStorage, name)(self, *arguments, **named)

    return ask


for _name in (
    *("create_new_trial", "get_all_studies", "get_trial", "set_trial_intermediate_value"),
    *("set_trial_state_values", "set_trial_user_attr", "set_study_user_attr"),
):
    setattr(Flaky, _name, _flaky(_name))


class Clock:
    """Time passes while somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        self.during()


class Bench:
    """A patient storage on a flaky one, with a study."""

    def __init__(self, folder: Path, limit_s: float = 600) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.flaky = Flaky()
        self.patience = Patience(
            limit_s, say=self.said.append, clock=self.clock, sleep=self.clock.sleep
        )
        self.patient = PatientStorage(self.flaky, self.patience, folder)
        self.study_id = self.patient.create_new_study([StudyDirection.MAXIMIZE], "s")
        self.spool = self.patient._spool.path

    def trial(self) -> int:
        trial_id = self.patient.create_new_trial(self.study_id)
        self.patient.set_trial_user_attr(trial_id, OWNER, owner.this_process())
        return trial_id
