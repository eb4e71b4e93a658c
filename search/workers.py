"""A search in several processes that share one study, shown as if it were one.

Each process runs the loop of `search.engine` and claims its trials under the study's lock, so
nothing is divided beforehand. One that dies is not missed: the next claim replaces its trials.
"""

from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

from commands.errors import UserError
from search.claims import close_lost, n_counted
from search.display import Display
from search.events import TrainedEpoch, read_line
from search.interrupts import held
from search.outcome import Ended, Outcome, total_reached
from search.study import OpenStudy
from search.trials import Tally, tally
from search.worker import Command, Inbox, Worker

_PRECEDENCE: tuple[Ended, ...] = ("failures", "grid", "timeout", "total")
"""Of reasons that workers give for their ends, the one that counts first."""


def run_workers(
    opened: OpenStudy, commands: Sequence[Command], total: int, display: Display
) -> Outcome:
    """Run a worker for each command until all have ended, and say how the study stands.

    Ctrl-C ends the workers in good order and is raised again; a second one kills them. Raises
    `UserError` if a worker meets a mistake of the user's.
    """
    workers = _Workers(opened, display)
    display.opened(workers.standing())
    try:
        n_threads = commands[0].n_threads
        threads = "1 thread" if n_threads == 1 else f"{n_threads} threads"
        display.said(f"{len(commands)} workers, each with {threads}")
        workers.run(commands)
        if successor := workers.successor(total):
            workers.run([successor])
    finally:
        display.closed()
    return workers.outcome(total)


class _Workers:
    """The workers that run now, and how to show what they tell."""

    def __init__(self, opened: OpenStudy, display: Display) -> None:
        self._opened = opened
        self._display = display
        self._inbox: Inbox = SimpleQueue()
        self._alive: list[Worker] = []
        self._ended: list[Worker] = []
        self._said: set[str] = set()
        self._has_claimed = False

    def run(self, commands: Sequence[Command]) -> None:
        """Start a worker for each command and follow them to their ends."""
        self._ended = []
        try:
            for number, command in enumerate(commands, start=1):
                with held():
                    self._alive.append(Worker(number, command, self._inbox))
            self._follow()
        except BaseException:
            self._stop()
            raise

    def standing(self) -> Tally:
        """Return how the study stands now."""
        return tally(self._opened.study.get_trials(deepcopy=False))

    def successor(self, total: int) -> Command | None:
        """Return the command of one more worker where the others have ended too early.

        They may have counted trials of one that died afterwards.
        """
        told = self._told()
        ended_well = told.get("total") or told.get("grid")
        has_lost = any(worker.has_died for worker in self._ended)
        if not ended_well or not has_lost or "failures" in told:
            return None
        with self._opened.place.lock:
            close_lost(self._opened, self._display.said)
            return ended_well.command if n_counted(self._opened) < total else None

    def outcome(self, total: int) -> Outcome:
        """Return what the search came to, by what workers have told and what the study has."""
        name, standing, told = self._opened.name, self.standing(), self._told()
        if not told:
            how = self._ended[-1].how_it_died()
            return Outcome(standing, "failures", f"study {name}: all workers have died: {how}")
        if "failures" not in told and standing.n_ended + standing.n_running >= total:
            # Each has told how the study stood before the last of the others had ended.
            message = total_reached(name, standing, has_claimed=self._has_claimed)
            return Outcome(standing, "total", message)
        ended = min(told, key=_PRECEDENCE.index)
        return Outcome(standing, ended, told[ended].message)

    def _told(self) -> dict[Ended, Worker]:
        """Return the workers that have told an outcome, by the reason for it."""
        return {worker.ended: worker for worker in self._ended if worker.ended}

    def _follow(self) -> None:
        while self._alive:
            worker, line = self._inbox.get()
            with held():
                if line is None:
                    self._bury(worker)
                else:
                    self._take(worker, line)

    def _stop(self) -> None:
        """End the workers in good order, or at once if that is interrupted."""
        try:
            self._interrupt()
            self._follow()
        finally:
            for worker in self._alive:
                worker.kill()

    def _interrupt(self) -> None:
        for worker in self._alive:
            worker.interrupt()

    def _bury(self, worker: Worker) -> None:
        self._alive.remove(worker)
        self._ended.append(worker)
        if worker.has_died:
            for number in sorted(worker.running):
                self._display.ended(number, "lost", self.standing())
            others = "the others go on" if self._alive else "it was the last"
            self._display.said(
                f"worker {worker.number} has died: {worker.how_it_died()}; {others}"
            )

    def _take(self, worker: Worker, line: str) -> None:
        """Show a line, whether it tells an event or was just printed."""
        text, event = read_line(line)
        if text and not worker.is_stopping:
            worker.last_words = text
            self._display.said(text)
        if event is not None:
            self._show(worker, event)

    def _show(self, worker: Worker, event: Sequence[Any]) -> None:
        match event:
            case ["said", line] if line not in self._said:
                self._said.add(line)  # what is true of the study, all workers say
                self._display.said(line)
            case ["started", number]:
                worker.running.add(number)
                self._has_claimed = True
                self._display.started(number)
            case ["trained", *epoch]:
                self._display.trained(TrainedEpoch(*epoch))
            case ["ended", number, how]:
                worker.running.discard(number)
                self._display.ended(number, how, self.standing())
            case ["outcome", ended, message]:
                worker.ended, worker.message = ended, message
                if ended == "failures":
                    self._interrupt()
            case ["refused", message] if not worker.is_stopping:
                raise UserError(message)
