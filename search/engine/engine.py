"""The loop of a search: gather a crew, train an epoch, report, judge, end, until the total.

All members of a cohort report, then all are judged, then some are dropped and others admitted;
one network alone is a cohort of one. Who trains together is decided in `search.engine.crew`, what
is written of a trial is in `search.engine.running`.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search.displays.display import Display
from search.engine.claims import enqueue_baselines, n_counted
from search.engine.crew import Crew, Crews
from search.engine.interrupts import held
from search.engine.running import Books, first_line
from search.engine.running_trial import Running
from search.engine.saving import DEFAULT_BETWEEN_S, Saving
from search.engine.stopping import Stop
from search.engine.training_errors import TrainingError, blaming
from search.files.artifacts import Artifacts
from search.files.checkpoints import Checkpoints
from search.hosts.heartbeat import Heart, Silence
from search.sampling.pruners import Pruner
from search.sampling.samplers import Sampler
from search.studies.study import OpenStudy
from search.trainer import Cohort, Record, Trainer
from search.trials.outcome import Ended, Outcome, stopped, total_reached
from search.trials.reading import unfinished
from search.trials.records import PlainRecord, plain

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
    stop: Stop | None = None,
    cohort: int | None = 1,
    artifacts: Artifacts | None = None,
    checkpoint_every_s: float = DEFAULT_BETWEEN_S,
    silence: Silence | None = None,
) -> Outcome:
    """Run trials until the study has its total or the search is stopped, and say how it stands.

    Whatever stops it, an error included, trials that have not ended are closed, do not count, and
    are gone on with by the next search of the study, here or elsewhere.

    Args:
        stop: tells when to end before the total; None: only Ctrl-C does.
        cohort: how many trials train together, where they fit into memory; None: as many as
            train fastest.
        artifacts: where files of trials and checkpoints are kept; None: nowhere.
        checkpoint_every_s: the most that may be lost of a trial, if an epoch does not take
            longer; 0: one epoch.
        silence: tells which processes of other hosts have died.
    """
    stop = stop or Stop(opened.study, say=display.said)
    saving = None
    if artifacts:
        checkpoints = Checkpoints(artifacts.folder)
        saving = Saving(opened.study, checkpoints, display.warned, checkpoint_every_s)
    books = Books(opened, display, artifacts, saving)
    silence = silence or Silence(since=opened.place.returned_s)
    crews = Crews(opened, trainer, books, sampler, total, seed, cohort, silence)
    loop = _Loop(opened, trainer, total, crews, pruner, books, stop)
    display.opened(books.standing())
    try:
        with stop.listening(), Heart(opened.place.storage, books.trial_ids):
            ended = loop.run()
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
    stop: Stop

    def run(self) -> Ended:
        """Train crew after crew, and return why there is no further one."""
        try:
            ended = self._run()
        except KeyboardInterrupt:
            ended = self.stop.reason or "Ctrl-C"
        except (Exception, SystemExit) as error:
            self.stop.ended()
            with held():
                self.books.lose(f"its search ended with {type(error).__name__}")
            raise
        self.stop.ended()
        with held():
            self.books.give_up(
                "the same failure again and again" if ended == "failures" else ended
            )
        return ended

    def _run(self) -> Ended:
        if self.crews.sampler.tries_baselines:
            with held():
                enqueue_baselines(self.opened, self.trainer.infeasible, self.books.display.said)
        while not self.stop.is_asked():
            try:
                crew = self.crews.gather()
                if not isinstance(crew, Crew):
                    if not self._awaits_others():
                        return crew
                    continue
                self._train(crew)
            except TrainingError as failed:
                with held():
                    self._recover(failed)
            if self._fails_alike():
                return "failures"
        is_there = n_counted(self.opened) >= self.total and not self.books.own
        return "total" if is_there else self.stop.reason or "Ctrl-C"

    def _awaits_others(self) -> bool:
        """Wait a moment where a process of another host may have died over the last trials."""
        if not self.crews.may_lose():
            return False
        self.stop.wait()
        return True

    def conclude(self) -> None:
        """Write the outcome into the study's note, and save its figures.

        Whoever ends last does, as of several processes each would take as long over it.
        """
        opened = self.opened
        if self.books.standing().n_running:
            return
        # Statistics and figures take seconds to import, in which others train.
        from search.dashboard_figures import save_figures
        from search.notebook.concluding import conclude

        with held(), opened.place.lock:
            if self.books.saving:
                self.books.saving.sweep(opened.study.get_trials(deepcopy=False))
            evidence = conclude(opened.place, opened.study, self.books.artifacts)
            save_figures(opened.study, evidence)

    def message(self, ended: Ended) -> str:
        """Say why the search ended, in one line."""
        name, standing = self.opened.name, self.books.standing()
        match ended:
            case "grid":
                return f"study {name}: the grid is exhausted, every trainable point has its trial"
            case "failures":
                failure = self.books.failures[-1]
                return (
                    f"study {name}: stopped, {_N_EQUAL_FAILURES} trials in a row failed: {failure}"
                )
            case "total":
                return total_reached(name, standing, has_claimed=self.books.n_claimed > 0)
        trials = self.opened.study.get_trials(deepcopy=False)
        return stopped(name, ended, len(unfinished(trials)))

    def _train(self, crew: Crew) -> None:
        """Train a crew, and all that join it, until none is left or the search is stopped."""
        runs = self.books.training
        if self.stop.reason:  # heard while they were claimed
            return
        with blaming(runs):
            cohort = self.trainer.open([run.member for run in runs])
        self._began(runs)
        while runs:
            began_s = time.monotonic()
            with blaming(runs):
                records = cohort.train_epoch()
            epoch_s = time.monotonic() - began_s
            with held():
                gone = self._book(records, cohort)
            is_over = self.stop.is_asked()
            with held():
                self._save(self.books.training, cohort, epoch_s, is_over=is_over)
            if is_over or len(gone) == len(runs):
                return
            if gone:
                with blaming(self.books.training):
                    cohort.drop(gone)
            runs = self.books.training
            joined = self.crews.fill(crew)
            if self.stop.reason:  # heard while they were claimed
                with held():
                    self._save(runs, cohort, epoch_s, is_over=True)
                return
            runs = self.books.training
            if joined:
                with blaming(runs):
                    cohort.admit([run.member for run in joined])
                self._began(joined)

    def _began(self, runs: Sequence[Running]) -> None:
        """Note that trials train; what they have gone on from need not be held in memory."""
        for run in runs:
            run.member = replace(run.member, state=None)
        if self.books.saving:
            self.books.saving.began(runs)
        self.stop.began()

    def _save(
        self, runs: Sequence[Running], cohort: Cohort, epoch_s: float, *, is_over: bool
    ) -> None:
        """Write the checkpoints that are due; all of them if the search ends here."""
        saving = self.books.saving
        if saving and is_over:
            saving.save(runs, cohort)
        elif saving:
            saving.after_epoch(runs, cohort, epoch_s)

    def _book(self, records: Sequence[Record], cohort: Cohort) -> set[int]:
        """Report all, judge all, end some; return the numbers of those that ended."""
        sound = [_sound(record) for record in records]
        over = {record.key for record in sound if record.failure or record.is_finished}
        judged, lost = {}, set()
        for record in sound:
            is_new = False
            with self.books.parting(record.key):
                is_new = self.books.report(record)
            if record.key not in self.books.own:
                lost.add(record.key)
            elif is_new and record.key not in over:
                judged[record.key] = record.epoch
        gone = over | self.pruner.doomed(self.opened.study, judged)
        for record in sound:
            if record.key in gone - lost:
                with self.books.parting(record.key):
                    self.books.end(record, cohort)
        return gone | lost

    def _recover(self, failed: TrainingError) -> None:
        """Fail a trial that raised alone; try those again that raised together.

        A cohort that does not fit into memory is halved. For any other reason its trials are
        tried one at a time, so that only the guilty one fails.
        """
        books, runs = self.books, failed.runs
        n, half = len(runs), len(runs) // 2
        if n == 1 and isinstance(failed.error, ValueError) and runs[0].member.state is not None:
            books.begin_again(runs[0])
            books.display.said(
                f"trial {runs[0].trial.number} cannot go on from its checkpoint and begins again: "
                f"{failed.error}"
            )
            return
        books.set_aside()
        if n == 1:
            with books.parting(runs[0].member.key):
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


def _sound(record: Record) -> PlainRecord:
    """Return the record with a value that samplers can learn from.

    The worst value where there is none, and where training failed: whatever a network without
    finite weights answers is no accuracy of its own.
    """
    own = plain(record)
    if math.isfinite(own.value) and own.failure is None:
        return own
    failure = own.failure or f"the value of epoch {own.epoch} is {own.value}"
    return replace(own, value=0.0, is_finished=False, failure=failure)
