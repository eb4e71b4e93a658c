"""Running a search in a process of its own and watching its study from outside, by the clock.

Time counts from the start of the process: imports and the preparation of the data are part of
a search. Optuna keeps no times of intermediate values, so the journal is looked at often.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial

from commands.errors import UserError
from search.storages.journal import Journal

POLL_S = 0.25
GRACE_S = 30.0
"""For closing a study after Ctrl-C."""
_N_LAST_LINES = 8


@dataclass(frozen=True)
class Sighting:
    """A validation accuracy that a trial has reported."""

    seen_s: float
    """Since the start of the process."""
    trial: int
    value: float


@dataclass
class Watcher:
    """Reads what is new in a study that another process writes."""

    journal: Path
    study_name: str
    _study: optuna.Study | None = None
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def trials(self) -> list[FrozenTrial]:
        """Return the trials as they are now; none before there is a study."""
        if self._study is None and self.journal.exists():
            storage = JournalStorage(Journal(self.journal))
            with suppress(KeyError):  # the file is there, the study not yet
                self._study = optuna.load_study(storage=storage, study_name=self.study_name)
        return [] if self._study is None else self._study.get_trials(deepcopy=False)

    def look(self, now_s: float) -> list[Sighting]:
        """Return what was reported since the last look."""
        new = {
            (trial.number, step): Sighting(now_s, trial.number, value)
            for trial in self.trials()
            for step, value in sorted(trial.intermediate_values.items())
            if (trial.number, step) not in self._seen
        }
        self._seen |= new.keys()
        return list(new.values())


def watch(
    command: Sequence[str],
    watcher: Watcher,
    *,
    seconds: float,
    log: Path,
    environment: Mapping[str, str],
) -> list[Sighting]:
    """Run the command for so long, end it as Ctrl-C would, and return what was seen.

    Raises `UserError` with the last lines of its output if it fails before.
    """
    sightings: list[Sighting] = []
    started_s = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,  # so that it can be ended with all its workers
        )
        try:
            while True:
                has_ended = process.poll() is not None
                now_s = time.monotonic() - started_s
                sightings += watcher.look(min(now_s, seconds))
                if has_ended or now_s >= seconds:
                    break
                time.sleep(min(POLL_S, seconds - now_s))
        finally:
            _end(process)
    if has_ended and process.returncode != 0:
        last = "\n  ".join(log.read_text(errors="replace").splitlines()[-_N_LAST_LINES:])
        raise UserError(f"{' '.join(command)}: failed after {now_s:.0f} s:\n  {last}")
    return sightings


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt the process and its workers, and leave none of them behind."""
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
