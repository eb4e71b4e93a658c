"""The loop of a search: gather a crew, train an epoch, report, judge, end, until the total.

All members of a cohort report, then all are judged, then some are dropped and others admitted;
one network alone is a cohort of one. Who trains together is decided in `search.crew`, what is
written of a trial is in `search.running`.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.artifacts import Artifacts
from search.claims import enqueue_baselines, n_counted
from search.crew import Crew, Crews
from search.dashboard_figures import save_figures
from search.display import Display
from search.interrupts import held
from search.notebook.concluding import conclude
from search.outcome import Ended, Outcome, total_reached
from search.pruners import Pruner
from search.running import Books, first_line
from search.samplers import Sampler
from search.study import OpenStudy
from search.trainer import Cohort, Record, Trainer
from search.training_errors import TrainingError, blaming

_N_EQUAL_FAILURES = 3
"""The same failure so often in a row is the set-up's, and would burn every trial left."""


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
    cohort: int | None = 1,
    artifacts: Artifacts | None = None,
) -> Outcome:
    """Run trials until the study has its total, and say how it stands.

    Ctrl-C ends the running trials, which then no longer count, and is raised again.

    Args:
        cohort: how many trials train together, where they fit into memory; None: as many as
            train fastest.
        artifacts: where files of trials are kept; None: nowhere.
    """
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    books = Books(opened, display, artifacts)
    crews = Crews(opened, trainer, books, sampler, total, seed, cohort)
    loop = _Loop(opened, trainer, total, crews, pruner, books, deadline)
    display.opened(books.standing())
    try:
        ended = loop.run()
    except KeyboardInterrupt:
        with held():
            books.give_up("Ctrl-C")
        loop.conclude()
        raise
    finally:
        display.closed()
    loop.conclude()
    return Outcome(books.standing(), ended, loop.message(ended))


@dataclass
class _Loop:
    opened: OpenStudy
    trainer: Trainer
    total: int
    crews: Crews
    pruner: Pruner
    books: Books
    deadline: float

    def run(self) -> Ended:
        """Train crew after crew, and return why there is no further one."""
        if self.crews.sampler.tries_baselines:
            with held():
                enqueue_baselines(self.opened, self.trainer.infeasible, self.books.display.said)
        while not self._is_late():
            try:
                crew = self.crews.gather()
                if not isinstance(crew, Crew):
                    return crew
                self._train(crew)
            except TrainingError as failed:
                with held():
                    self._recover(failed)
            if self._fails_alike():
                with held():
                    self.books.give_up("the same failure again and again")
                return "failures"
        with held():
            self.books.give_up("timeout")
        return "total" if n_counted(self.opened) >= self.total else "timeout"

    def conclude(self) -> None:
        """Write the outcome into the study's note, and save its figures.

        Whoever ends last does, as of several processes each would take as long over it.
        """
        opened = self.opened
        if self.books.standing().n_running:
            return
        with held(), opened.place.lock:
            evidence = conclude(opened.place, opened.study, self.books.artifacts)
            save_figures(opened.study, evidence)

    def message(self, ended: Ended) -> str:
        """Say why the search ended, in one line."""
        name, standing = self.opened.name, self.books.standing()
        match ended:
            case "grid":
                return f"study {name}: the grid is exhausted, every trainable point has its trial"
            case "timeout":
                return f"study {name}: time is over; the same command continues it"
            case "failures":
                failure = self.books.failures[-1]
                return (
                    f"study {name}: stopped, {_N_EQUAL_FAILURES} trials in a row failed: {failure}"
                )
        return total_reached(name, standing, has_claimed=self.books.n_claimed > 0)

    def _train(self, crew: Crew) -> None:
        """Train a crew, and all that join it, until none is left or time is over."""
        runs = self.books.training
        with blaming(runs):
            cohort = self.trainer.open([run.member for run in runs])
        while runs:
            with blaming(runs):
                records = cohort.train_epoch()
            with held():
                gone = self._book(records, cohort)
            if self._is_late() or len(gone) == len(runs):
                return
            if gone:
                with blaming(self.books.training):
                    cohort.drop(gone)
            joined = self.crews.fill(crew)
            runs = self.books.training
            if joined:
                with blaming(runs):
                    cohort.admit([run.member for run in joined])

    def _book(self, records: Sequence[Record], cohort: Cohort) -> set[int]:
        """Report all, judge all, end some; return the numbers of those that ended."""
        sound = [_sound(record) for record in records]
        over = {record.key for record in sound if record.failure or record.is_finished}
        judged = {}
        for record in sound:
            is_new = self.books.report(record)
            if is_new and record.key not in over:
                judged[record.key] = record.epoch
        gone = over | self.pruner.doomed(self.opened.study, judged)
        for record in sound:
            if record.key in gone:
                self.books.end(record, cohort)
        return gone

    def _recover(self, failed: TrainingError) -> None:
        """Fail a trial that raised alone; try those again that raised together.

        A cohort that does not fit into memory is halved. For any other reason its trials are
        tried one at a time, so that only the guilty one fails.
        """
        books, runs = self.books, failed.runs
        n, half = len(runs), len(runs) // 2
        books.set_aside()
        if n == 1:
            books.fail(runs[0], failed.error)
        elif isinstance(failed.error, MemoryError):
            self.crews.shrink(runs[0].fusion_key, half)
            together = f"{half} train together" if half > 1 else "they train one at a time"
            books.display.said(
                f"a cohort of {n} networks does not fit into memory ({failed.error}): {together}"
            )
        else:
            for run in runs:
                run.is_alone = True
            books.display.said(
                f"a cohort of {n} networks failed ({first_line(failed.error)}): "
                "they are tried one at a time"
            )

    def _fails_alike(self) -> bool:
        last = self.books.failures[-_N_EQUAL_FAILURES:]
        return len(last) == _N_EQUAL_FAILURES and len(set(last)) == 1

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
