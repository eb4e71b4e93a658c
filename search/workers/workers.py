"""A search in several processes that share one study, shown as if it were one.

Each process runs the loop of `search.engine.engine` and claims its trials under the study's lock,
so nothing is divided beforehand. One that dies is replaced, and the next claim goes on with its
trials.
"""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from commands.errors import UserError
from search.displays.display import Display
from search.displays.events import read_line
from search.engine.interrupts import held
from search.engine.stopping import Reason
from search.storages.patience import StorageLostError
from search.studies.study import OpenStudy
from search.trials.outcome import Ended, Outcome, stopped, total_reached
from search.trials.reading import Tally, tally, unfinished
from search.trials.records import PlainRecord
from search.workers.worker import DEFAULT_HANG_LIMIT_S, Command, Inbox, ProcessWorker, Worker

_PRECEDENCE: tuple[Ended, ...] = (
    *("failures", "grid", "SIGTERM", "Ctrl-C", "search.stop", "timeout", "total"),
)
"""Of reasons that workers give for their ends, the one that counts first."""
_MOST_DEATHS = 3
"""Workers that die in a row, without a trial that ends, before no new one is started."""
_LOOKS = 10
"""So often in the time after which it counts as hung, a worker is looked at."""


def run_workers(
    opened: OpenStudy,
    commands: Sequence[Command],
    total: int,
    display: Display,
    hang_limit_s: float = DEFAULT_HANG_LIMIT_S,
) -> Outcome:
    """Run a worker for each command until all have ended, and say how the study stands.

    One that dies or hangs is replaced. Ctrl-C and SIGTERM end the workers in good order, with
    their epochs; a second one kills them. Raises `UserError` if a worker meets a mistake of the
    user's.
    """
    workers = Workers(opened, display, hang_limit_s)
    display.opened(workers.standing())
    try:
        n_threads = commands[0].n_threads
        threads = "1 thread" if n_threads == 1 else f"{n_threads} threads"
        display.said(f"{len(commands)} workers, each with {threads}")
        with workers.listening():
            workers.run(commands)
    except KeyboardInterrupt:
        return workers.stopped_outcome()
    finally:
        display.closed()
    return workers.outcome(total)


class Workers:
    """The workers that run now, and how to show what they tell.

    A subclass for workers of another kind says in `make` how one begins. It may add to `look`,
    `bury`, `show` and `outcome`, and calls them; the rest is the same for all kinds.
    """

    def __init__(self, opened: OpenStudy, display: Display, hang_limit_s: float) -> None:
        self.opened = opened
        self.display = display
        self._hang_limit_s = hang_limit_s
        self.inbox: Inbox = SimpleQueue()
        self.alive: list[Worker] = []
        self.ended: list[Worker] = []
        self._said: set[str] = set()
        self._has_claimed = False
        self._n_deaths = 0
        """In a row, without a trial that ended."""
        self._reason: Reason = "Ctrl-C"
        self._looked_s = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM as Ctrl-C while the block runs."""

        def hear(number: int, frame: FrameType | None) -> None:
            self._reason = "SIGTERM"
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def run(self, commands: Sequence[Command]) -> None:
        """Start a worker for each command and follow them to their ends."""
        try:
            for number, command in enumerate(commands, start=1):
                with held():
                    self.alive.append(self.make(number, command))
            self._follow()
        except BaseException:
            self._stop()
            raise

    def standing(self) -> Tally:
        """Return how the study stands now."""
        return tally(self.opened.study.get_trials(deepcopy=False))

    def outcome(self, total: int) -> Outcome:
        """Return what the search came to, by what workers have told and what the study has."""
        name, standing, told = self.opened.name, self.standing(), self.told()
        if not told or self._n_deaths >= _MOST_DEATHS:
            how = next(each.how_it_died() for each in reversed(self.ended) if each.has_died)
            who = "workers die again and again" if told else "all workers have died"
            return Outcome(standing, "failures", f"study {name}: {who}: {how}")
        if "failures" not in told and standing.n_ended + standing.n_running >= total:
            # Each has told how the study stood before the last of the others had ended.
            message = total_reached(name, standing, has_claimed=self._has_claimed)
            return Outcome(standing, "total", message)
        ended = min(told, key=_PRECEDENCE.index)
        return Outcome(standing, ended, told[ended].message)

    def told(self) -> dict[Ended, Worker]:
        """Return the workers that have told an outcome, by the reason for it."""
        return {worker.ended: worker for worker in self.ended if worker.ended}

    def stopped_outcome(self) -> Outcome:
        """Return what the search came to that a signal has ended."""
        trials = self.opened.study.get_trials(deepcopy=False)
        message = stopped(self.opened.name, self._reason, len(unfinished(trials)))
        return Outcome(self.standing(), self._reason, message)

    def make(self, number: int, command: Command) -> Worker:
        """Begin a worker, which tells the inbox what it prints and when it has ended."""
        return ProcessWorker(number, command, self.inbox)

    def _follow(self) -> None:
        while self.alive:
            with suppress(Empty):
                worker, line = self.inbox.get(timeout=self._hang_limit_s / _LOOKS)
                with held():
                    if line is None:
                        self.bury(worker)
                    else:
                        self._take(worker, line)
            self.look()

    def look(self) -> None:
        """Kill workers that hang, looking now and then; what they ran is gone on with."""
        now = time.monotonic()
        if now - self._looked_s < self._hang_limit_s / _LOOKS:
            return
        self._looked_s = now
        for worker in self.alive:
            if worker.is_hung(self._hang_limit_s):
                worker.end_at_once()

    def _stop(self) -> None:
        """End the workers in good order, or at once if that is interrupted."""
        try:
            self._interrupt()
            self._follow()
        finally:
            for worker in self.alive:
                worker.kill()

    def _interrupt(self) -> None:
        number = signal.SIGTERM if self._reason == "SIGTERM" else signal.SIGINT
        for worker in self.alive:
            worker.interrupt(number)

    def bury(self, worker: Worker) -> None:
        """Take leave of a worker that has ended, and replace it if it has died."""
        self.alive.remove(worker)
        self.ended.append(worker)
        if not worker.has_died:
            return
        for number in sorted(worker.running):
            self.display.ended(number, "lost", self.standing)
        if not worker.is_lost:
            self._n_deaths += 1
        is_replaced = self._n_deaths < _MOST_DEATHS
        if is_replaced:
            self.alive.append(self.make(worker.number, worker.command))
        others = "the others go on" if self.alive else "it was the last"
        self.display.said(
            f"worker {worker.number} has died: {worker.how_it_died()}; "
            f"{'another takes its place' if is_replaced else others}"
        )

    def _take(self, worker: Worker, line: str) -> None:
        """Show a line, whether it tells an event or was just printed."""
        text, event = read_line(line)
        if text and not worker.is_stopping:
            worker.last_words = text
            self.display.said(text)
        if event is not None:
            self.show(worker, event)

    def show(self, worker: Worker, event: Sequence[Any]) -> None:
        """Show and remember an event that a worker tells."""
        match event:
            case ["said", line] if line not in self._said:
                self._said.add(line)  # what is true of the study, all workers say
                self.display.said(line)
            case ["warned", line] if line not in self._said:
                self._said.add(line)
                self.display.warned(line)
            case ["started", number]:
                worker.running.add(number)
                self._has_claimed = True
                self.display.started(number)
            case ["trained", *epoch]:
                self.display.trained(PlainRecord(*epoch))
            case ["ended", number, how]:
                worker.running.discard(number)
                self._n_deaths = 0
                self.display.ended(number, how, self.standing)
            case ["outcome", ended, message]:
                worker.ended, worker.message = ended, message
                if ended == "failures":
                    self._interrupt()
            case ["storage", is_away, line]:
                self.opened.place.tell(is_away, line)
            case ["refused", message, status] if not worker.is_stopping:
                kind = StorageLostError if status == StorageLostError.status else UserError
                raise kind(message)
