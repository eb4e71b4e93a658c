"""The trials of this process, from their claim to their end, and what is written of each.

Nothing is decided here: the engine says what becomes of a trial, the books tell it to the study
and to the display.
"""

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from search.displays.display import Display
from search.engine.claims import end, give_up, lose
from search.engine.running_trial import Running
from search.engine.saving import Saving
from search.files.artifacts import Artifacts
from search.files.history import FILE as HISTORY
from search.files.history import history_file
from search.studies.study import OpenStudy
from search.trainer import Cohort, Record
from search.trials.reading import (
    BEST_EPOCH,
    FAILED_EPOCH,
    FAILURE,
    INFEASIBLE,
    LAST_GOOD,
    METRICS,
    TRACEBACK,
    Tally,
)

_LONGEST_MESSAGE = 300
_LONGEST_TRACEBACK = 2000  # characters, from its end


@dataclass
class Books:
    """What is known, and told, of this process's trials."""

    opened: OpenStudy
    display: Display
    artifacts: Artifacts | None = None
    """Where the files of trials go; None: none are kept."""
    saving: Saving | None = None
    """Writes checkpoints; None: there are none."""
    own: dict[int, Running] = field(default_factory=dict)
    """By number, which is the order in which they were claimed."""
    failures: list[str] = field(default_factory=list)
    """Messages of the trials that failed since the last one that did not."""
    n_claimed: int = 0
    _has_said_not_kept: bool = False

    @property
    def training(self) -> list[Running]:
        """The trials that train now, in order."""
        return [run for run in self.own.values() if run.is_training]

    @property
    def waiting(self) -> list[Running]:
        """The trials that wait for their turn, in order."""
        return [run for run in self.own.values() if not run.is_training]

    def trial_ids(self) -> list[int]:
        """Return the storage's ids of all that has not ended; also called by another thread."""
        return [run.trial._trial_id for run in list(self.own.values())]

    def enter(self, run: Running) -> None:
        """Take in a trial that has just been claimed; it waits."""
        self.own[run.member.key] = run
        self.n_claimed += 1
        self.display.started(run.member.key)

    def set_aside(self) -> None:
        """Let all that trains wait for its turn, to go on from checkpoints where there are any."""
        for run in self.training:
            run.is_training = False
            run.at_epoch = 0
            state = self.saving.state(run) if self.saving else None
            run.member = replace(run.member, state=state)

    def begin_again(self, run: Running) -> None:
        """Let a trial wait for its turn, to begin without a state."""
        run.is_training = False
        run.at_epoch = 0
        run.member = replace(run.member, state=None)

    def report(self, record: Record) -> bool:
        """Report an epoch; return whether it was new, not one that is repeated."""
        run = self.own[record.key]
        run.at_epoch = record.epoch
        self.display.trained(record)
        if record.epoch <= run.epoch:
            return False
        run.records.append(record)
        run.trial.report(record.value, step=record.epoch)
        return True

    @contextmanager
    def parting(self, number: int) -> Iterator[None]:
        """Leave a trial to another process if, in the block, it proves to have closed it.

        That happens where this one gave no sign for too long: a suspended machine, a network
        that was down. The other goes on with it.
        """
        try:
            yield
        except UpdateFinishedTrialError:
            self.own.pop(number, None)
            self.display.ended(number, "taken over by another process", self.standing)

    def end(self, record: Record, cohort: Cohort) -> None:
        """End a trial after this record: it is complete if that says so, else pruned.

        Args:
            cohort: in which it trained, and still is.
        """
        run = self.own.pop(record.key)
        best = run.best or record
        run.trial.set_user_attr(BEST_EPOCH, best.epoch)
        metrics = {name: value for name, value in best.metrics.items() if math.isfinite(value)}
        run.trial.set_user_attr(METRICS, metrics)
        self.failures.clear()
        if record.failure is not None:
            _tell_failure(run, record, record.failure)
            how = f"pruned: {record.failure}"
        else:
            how = "complete" if record.is_finished else "pruned"
        self._keep_files(run, cohort if how == "complete" else None)
        if how == "complete":
            end(self.opened, run.trial, TrialState.COMPLETE, [best.value])
        else:
            end(self.opened, run.trial, TrialState.PRUNED, [run.records[-1].value])
        self._forget(run)
        self.display.ended(record.key, how, self.standing)

    def _forget(self, run: Running) -> None:
        if self.saving is not None:
            self.saving.forget(run)

    def _keep_files(self, run: Running, cohort: Cohort | None) -> None:
        """Keep what a trial leaves; where that fails, it has ended without.

        Args:
            cohort: which is asked for files of its own; None: it is not asked.
        """
        if self.artifacts is None:
            return
        files = {HISTORY: history_file(run.records)}
        try:
            if cohort is not None:
                files |= cohort.files(run.trial.number)
        except Exception as error:  # the trainer may raise anything
            self._say_not_kept(first_line(error))
        try:
            self.artifacts.keep(run.trial, files)
        except OSError as error:
            self._say_not_kept(f"--artifacts {self.artifacts.folder}: {error.strerror or error}")

    def _say_not_kept(self, reason: str) -> None:
        """Say so once; not of which trial, so that several workers say the same."""
        if not self._has_said_not_kept:
            self._has_said_not_kept = True
            self.display.warned(
                f"{reason}: files of trials are not kept, without which search.compare and "
                "search.report know less; the trials count all the same"
            )

    def fail(self, run: Running, error: BaseException) -> None:
        """Close a trial whose training raised; it counts.

        One that does not fit into memory alone is infeasible: this says how much it needs.
        """
        del self.own[run.member.key]
        message = first_line(error)
        trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
        self.failures.append(message)
        run.trial.set_user_attr(FAILURE, message)
        run.trial.set_user_attr(TRACEBACK, trace)
        if isinstance(error, MemoryError):
            run.trial.set_user_attr(INFEASIBLE, message)
        end(self.opened, run.trial, TrialState.FAIL)
        self._forget(run)
        self.display.ended(run.member.key, f"failed: {message}", self.standing)

    def give_up(self, reason: str) -> None:
        """End all that trains and all that waits; it no longer counts, and goes on later."""
        for number, run in self.own.items():
            try:
                give_up(self.opened, run.trial, reason)
            except UpdateFinishedTrialError:
                continue  # another process has closed it
            self.display.ended(number, "stopped", self.standing)
        self.own.clear()

    def lose(self, reason: str) -> None:
        """Close all that trains and all that waits, as far as that can be done.

        What fails here is left to the next search, as what a dead process leaves is.
        """
        for run in self.own.values():
            with suppress(Exception):
                # As this process knows it: a storage that is away cannot be asked.
                lose(self.opened, run.trial._cached_frozen_trial, reason)
        self.own.clear()

    def standing(self) -> Tally:
        """Return how the study stands now."""
        return self.opened.roll.read(self.opened.study.get_trials(deepcopy=False)).tally()


def _tell_failure(run: Running, record: Record, failure: str) -> None:
    """Write down why training could not go on, in which epoch, and how it stood before."""
    run.trial.set_user_attr(FAILURE, failure)
    run.trial.set_user_attr(FAILED_EPOCH, record.epoch)
    before = [each for each in run.records if each.failure is None and each.epoch < record.epoch]
    if before:
        good = {"epoch": before[-1].epoch, "value": before[-1].value}
        run.trial.set_user_attr(LAST_GOOD, good)


def first_line(error: BaseException) -> str:
    """Return an exception as one line of bounded length."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST_MESSAGE]
