"""The trials of this process, from their claim to their end, and what is written of each.

Nothing is decided here: the engine says what becomes of a trial, the books tell it to the study
and to the display.
"""

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.trial import Trial, TrialState

from search.artifacts import Artifacts
from search.claims import give_up
from search.display import Display
from search.history import FILE as HISTORY
from search.history import history_file
from search.parameters import Value
from search.study import OpenStudy
from search.trainer import Cohort, Member, Record
from search.trials import BEST_EPOCH, FAILURE, METRICS, TRACEBACK, Tally, tally

_LONGEST_MESSAGE = 300
_LONGEST_TRACEBACK = 2000  # characters, from its end


@dataclass
class Running:
    """A claimed trial that has not ended: it trains, or waits for its turn."""

    trial: Trial
    drawn: Mapping[str, Value]
    """Its own parameters; the member's include the space's fixed ones."""
    member: Member
    fusion_key: str = ""
    """Set as soon as the trainer has told it."""
    is_training: bool = False
    is_alone: bool = False
    """Whether it trains with no other, because a cohort that it was in has failed."""
    epoch: int = 0
    """The last epoch reported. A trial that starts again repeats some, which are not."""
    best: Record | None = None
    records: list[Record] = field(default_factory=list)
    """Of the epochs reported."""


@dataclass
class Books:
    """What is known, and told, of this process's trials."""

    opened: OpenStudy
    display: Display
    artifacts: Artifacts | None = None
    """Where the files of trials go; None: none are kept."""
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

    def enter(self, run: Running) -> None:
        """Take in a trial that has just been claimed; it waits."""
        self.own[run.member.key] = run
        self.n_claimed += 1
        self.display.started(run.member.key)

    def set_aside(self) -> None:
        """Let all that trains wait for its turn, to start again from its first epoch."""
        for run in self.training:
            run.is_training = False

    def report(self, record: Record) -> bool:
        """Report an epoch; return whether it was new, not one that is repeated."""
        run = self.own[record.key]
        self.display.trained(record)
        if record.epoch <= run.epoch:
            return False
        run.epoch = record.epoch
        run.records.append(record)
        run.trial.report(record.value, step=record.epoch)
        if run.best is None or record.value > run.best.value:
            run.best = record
        return True

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
            run.trial.set_user_attr(FAILURE, record.failure)
            how = f"pruned: {record.failure}"
        else:
            how = "complete" if record.is_finished else "pruned"
        self._keep_files(run, cohort if how == "complete" else None)
        if how == "complete":
            self.opened.study.tell(run.trial, best.value)
        else:
            self.opened.study.tell(run.trial, state=TrialState.PRUNED)
        self.display.ended(record.key, how, self.standing())

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
            self.display.said(
                f"{reason}: files of trials are not kept, without which search.compare and "
                "search.report know less; the trials count all the same"
            )

    def fail(self, run: Running, error: BaseException) -> None:
        """Close a trial whose training raised; it counts."""
        del self.own[run.member.key]
        message = first_line(error)
        trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
        self.failures.append(message)
        run.trial.set_user_attr(FAILURE, message)
        run.trial.set_user_attr(TRACEBACK, trace)
        self.opened.study.tell(run.trial, state=TrialState.FAIL)
        self.display.ended(run.member.key, f"failed: {message}", self.standing())

    def give_up(self, reason: str) -> None:
        """End all that trains and all that waits; it no longer counts."""
        for number, run in self.own.items():
            give_up(self.opened, run.trial, reason)
            self.display.ended(number, "stopped", self.standing())
        self.own.clear()

    def standing(self) -> Tally:
        """Return how the study stands now."""
        return tally(self.opened.study.get_trials(deepcopy=False))


def first_line(error: BaseException) -> str:
    """Return an exception as one line of bounded length."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST_MESSAGE]
