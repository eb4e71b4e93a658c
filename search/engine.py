"""The loop of a search: claim, train an epoch, report, judge, end, until the total is reached.

Everything is written for cohorts: all members report, then all are judged, then some are dropped.
For now every cohort has one member.
"""

import math
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from optuna.trial import Trial, TrialState

from search import note
from search.claims import Claim, claim, enqueue_baselines, give_up, n_counted
from search.display import Display
from search.interrupts import held
from search.outcome import Ended, Outcome
from search.pruners import Pruner
from search.samplers import Sampler
from search.seeds import member_seed
from search.study import OpenStudy
from search.trainer import Cohort, Member, Record, Trainer
from search.trials import (
    BEST_EPOCH,
    CONFIG,
    ENVIRONMENT,
    FAILURE,
    METRICS,
    SEED,
    TRACEBACK,
    Tally,
    tally,
)

_N_EQUAL_FAILURES = 3
"""The same failure so often in a row is the set-up's, and would burn every trial left."""
_LONGEST_MESSAGE = 300
_LONGEST_TRACEBACK = 2000  # characters, from its end


def search(
    opened: OpenStudy,
    trainer: Trainer,
    *,
    total: int,
    sampler: Sampler,
    pruner: Pruner,
    seed: int,
    display: Display,
    timeout_s: float | None = None,
) -> Outcome:
    """Run trials until the study has its total, and say how it stands.

    Ctrl-C ends the running trials, which then no longer count, and is raised again.
    """
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    loop = _Loop(opened, trainer, total, sampler, pruner, seed, display, deadline)
    display.opened(loop.standing())
    try:
        ended = loop.run()
    except KeyboardInterrupt:
        with held():
            loop.give_up("Ctrl-C")
        loop.conclude()
        raise
    finally:
        display.closed()
    loop.conclude()
    return Outcome(loop.standing(), ended, loop.message(ended))


class TrainingError(Exception):
    """The trainer raised; its exception is the cause."""


@dataclass
class _Running:
    """A trial while it trains."""

    trial: Trial
    member: Member
    best: Record | None = None


@dataclass
class _Loop:
    opened: OpenStudy
    trainer: Trainer
    total: int
    sampler: Sampler
    pruner: Pruner
    seed: int
    display: Display
    deadline: float
    running: dict[int, _Running] = field(default_factory=dict)
    """By trial number; in the order in which they were claimed."""
    failures: list[str] = field(default_factory=list)
    """Messages of the cohorts that failed since the last one that did not."""
    n_claimed: int = 0

    def run(self) -> Ended:
        """Train trial after trial, and return why there is no further one."""
        if self.sampler.tries_baselines:
            with held():
                enqueue_baselines(self.opened, self.trainer.infeasible, self.display.said)
        while not self._is_late():
            with held():
                claimed = claim(self.opened, self.sampler, self.total, self.display.said)
                if not isinstance(claimed, Claim):
                    return claimed
                self._start(claimed)
            self._train()
            if len(self.failures) >= _N_EQUAL_FAILURES and len(set(self.failures)) == 1:
                return "failures"
        return "total" if n_counted(self.opened) >= self.total else "timeout"

    def give_up(self, reason: str) -> None:
        """End what runs; it no longer counts."""
        for number, run in self.running.items():
            give_up(self.opened, run.trial, reason)
            self.display.ended(number, "stopped", self.standing())
        self.running.clear()

    def conclude(self) -> None:
        """Write the outcome into the study's note."""
        opened = self.opened
        with held(), opened.place.lock:
            note.conclude(opened.study, opened.space, self.trainer.metric, self.standing())

    def standing(self) -> Tally:
        """Return how the study stands now."""
        return tally(self.opened.study.get_trials(deepcopy=False))

    def message(self, ended: Ended) -> str:
        """Say why the search ended, in one line."""
        name, standing = self.opened.name, self.standing()
        match ended:
            case "grid":
                return f"study {name}: the grid is exhausted, every trainable point has its trial"
            case "timeout":
                return f"study {name}: time is over; the same command continues it"
            case "failures":
                failure = self.failures[-1]
                return (
                    f"study {name}: stopped, {_N_EQUAL_FAILURES} trials in a row failed: {failure}"
                )
        elsewhere = f", {standing.n_running} of them still running" if standing.n_running else ""
        already = "" if self.n_claimed else " already; a larger --trials adds to them"
        n_trials = standing.n_ended + standing.n_running
        return f"study {name}: has {n_trials} trials{elsewhere}{already}"

    def _start(self, claimed: Claim) -> None:
        number = claimed.trial.number
        params = {**self.opened.space.fixed, **claimed.params}
        member = Member(number, params, member_seed(self.seed, number))
        self.running[number] = _Running(claimed.trial, member)
        self.n_claimed += 1
        claimed.trial.set_user_attr(SEED, member.seed)
        claimed.trial.set_user_attr(ENVIRONMENT, dict(self.trainer.environment))
        self.display.started(number)

    def _train(self) -> None:
        """Train the running trials as one cohort until none is left."""
        try:
            cohort = self._open()
            while self.running:
                with _training():
                    records = cohort.train_epoch()
                with held():
                    gone = self._book(records)
                    if self._is_late():
                        self.give_up("timeout")
                if gone and self.running:
                    with _training():
                        cohort.drop(gone)
        except TrainingError as failed:
            with held():
                self._fail(failed.__cause__ or failed)

    def _open(self) -> Cohort:
        members = [run.member for run in self.running.values()]
        with _training():
            configs = [self.trainer.config(member) for member in members]
        with held():
            for run, config in zip(self.running.values(), configs, strict=True):
                run.trial.set_user_attr(CONFIG, config)
        with _training():
            return self.trainer.open(members)

    def _book(self, records: Sequence[Record]) -> set[int]:
        """Report all, judge all, end some; return the numbers of those that ended."""
        sound = [_sound(record) for record in records]
        for record in sound:
            self._report(record)
        wanting = {record.key for record in sound if not (record.failure or record.is_finished)}
        doomed = self.pruner.doomed(self.opened.study, wanting)
        ending = [record for record in sound if record.key not in wanting or record.key in doomed]
        for record in ending:
            self._end(record)
        return {record.key for record in ending}

    def _report(self, record: Record) -> None:
        run = self.running[record.key]
        run.trial.report(record.value, step=record.epoch)
        if run.best is None or record.value > run.best.value:
            run.best = record
        self.display.trained(record)

    def _end(self, record: Record) -> None:
        run = self.running.pop(record.key)
        best = run.best or record
        run.trial.set_user_attr(BEST_EPOCH, best.epoch)
        metrics = {name: value for name, value in best.metrics.items() if math.isfinite(value)}
        run.trial.set_user_attr(METRICS, metrics)
        self.failures.clear()
        if record.failure is not None:
            run.trial.set_user_attr(FAILURE, record.failure)
            self.opened.study.tell(run.trial, state=TrialState.PRUNED)
            self.display.ended(record.key, f"pruned: {record.failure}", self.standing())
        elif record.is_finished:
            self.opened.study.tell(run.trial, best.value)
            self.display.ended(record.key, "complete", self.standing())
        else:
            self.opened.study.tell(run.trial, state=TrialState.PRUNED)
            self.display.ended(record.key, "pruned", self.standing())

    def _fail(self, error: BaseException) -> None:
        """Close what trained when the trainer raised; the study goes on."""
        message = _first_line(error)
        trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
        self.failures.append(message)
        for number, run in self.running.items():
            run.trial.set_user_attr(FAILURE, message)
            run.trial.set_user_attr(TRACEBACK, trace)
            self.opened.study.tell(run.trial, state=TrialState.FAIL)
            self.display.ended(number, f"failed: {message}", self.standing())
        self.running.clear()

    def _is_late(self) -> bool:
        return time.monotonic() >= self.deadline


@dataclass(frozen=True)
class _Sound:
    """A record put right."""

    key: int
    epoch: int
    value: float
    metrics: Mapping[str, float]
    images_per_s: float
    is_finished: bool
    failure: str | None


def _sound(record: Record) -> Record:
    """Return the record with a value that samplers can learn from.

    The worst value where there is none, and where training failed: whatever a network without
    finite weights answers is no accuracy of its own.
    """
    if math.isfinite(record.value) and record.failure is None:
        return record
    failure = record.failure or f"the value of epoch {record.epoch} is {record.value}"
    return _Sound(
        record.key, record.epoch, 0.0, record.metrics, record.images_per_s, False, failure
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:_LONGEST_MESSAGE]


@contextmanager
def _training() -> Iterator[None]:
    """Tell the trainer's exceptions from those of the storage."""
    try:
        yield
    except Exception as error:
        raise TrainingError from error
