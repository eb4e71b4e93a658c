"""Searches by several workers with the fake trainer, and a display that acts on what it hears."""

import sys
from collections.abc import Callable
from pathlib import Path

from optuna.trial import FrozenTrial

from search.displays.display import QuietDisplay, Standing
from search.hosts import owner
from search.trials.outcome import Outcome
from search.trials.reading import OWNER, Tally
from search.workers.worker import DEFAULT_HANG_LIMIT_S, Command
from search.workers.workers import run_workers
from tests.search.fake_trainer import FakeTrainer
from tests.search.fake_workers import EPOCHS
from tests.search.small_studies import opened_in


class Watching(QuietDisplay):
    """Remembers what it is told, and does something once so many trials are held or have ended."""

    def __init__(
        self, act: Callable[[], object] = lambda: None, n_held: int = 0, n_ended: int = 0
    ) -> None:
        self.lines: list[str] = []
        self.how: dict[int, str] = {}
        self.n_open = 0
        self._act: list[Callable[[], object]] = [act]
        self._n_held, self._n_ended = n_held, n_ended

    def opened(self, standing: Tally) -> None:
        self.n_open += 1

    def closed(self) -> None:
        self.n_open -= 1

    def said(self, line: str) -> None:
        self.lines.append(line)
        self._act_in_time()

    def warned(self, line: str) -> None:
        self.said(line)

    def ended(self, number: int, how: str, standing: Standing) -> None:
        self.how[number] = how
        self._act_in_time()

    def _act_in_time(self) -> None:
        n_held = sum(line.endswith("is held") for line in self.lines)
        if n_held >= self._n_held and len(self.how) >= self._n_ended and self._act:
            self._act.pop()()


def run(
    folder: Path,
    starting: list[Command],
    total: int,
    display: Watching,
    hang_limit_s: float = DEFAULT_HANG_LIMIT_S,
) -> Outcome:
    opened = opened_in(folder, trainer=FakeTrainer(epochs=EPOCHS))
    outcome = run_workers(opened, starting, total, display, hang_limit_s)
    assert display.n_open == 0
    return outcome


def script(text: str) -> Command:
    """Say how to start a worker that is no more than these lines."""
    begin = (
        "import signal, sys\n"
        "from search.displays.events import EventDisplay\n"
        "e = EventDisplay(sys.stdout)\n"
    )
    return Command([sys.executable, "-c", begin + text], n_threads=1)


def owners(trials: list[FrozenTrial]) -> set[int]:
    return {trial.user_attrs[OWNER]["pid"] for trial in trials}


def are_all_dead(trials: list[FrozenTrial]) -> bool:
    return all(owner.is_dead(trial.user_attrs[OWNER]) for trial in trials)
