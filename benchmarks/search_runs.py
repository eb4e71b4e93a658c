"""One run of the search benchmark: made, told in few numbers, kept in a file."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter

from benchmarks.arms import ARMS, STUDY, Task, command, journal
from benchmarks.best_so_far import Curve, best_so_far
from benchmarks.watch import Sighting, Watcher, watch
from commands.errors import UserError
from search.space import Value


@dataclass(frozen=True)
class Run:
    """What one arm found with one seed."""

    arm: str
    seed: int
    curve: Curve
    """The best validation accuracy so far."""
    n_epochs: int
    """Epochs of all trials together."""
    n_complete: int
    n_pruned: int
    n_refused: int
    """Trials whose network could not be built; the engine draws no such trials."""
    winner: Mapping[str, Value]
    """Parameters of the trial that first had the best accuracy."""
    retrained: tuple[float, ...] = ()
    """Validation accuracy of the winner trained anew, a seed each."""


def run(arm: str, seed: int, task: Task, folder: Path) -> Run:
    """Search for the task's time in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)  # an interrupted run begins anew
    folder.mkdir(parents=True)
    environment = {**os.environ, "MAME_CACHE": str(folder / "cache")}
    # This process has imported the networks, which set it for themselves alone.
    environment.pop("GOMP_SPINCOUNT", None)
    watcher = Watcher(journal(folder), STUDY)
    sightings = watch(
        command(ARMS[arm], task, seed, folder),
        watcher,
        seconds=task.seconds,
        log=folder / "output.log",
        environment=environment,
    )
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return told(arm, seed, sightings, watcher.trials())


def told(arm: str, seed: int, sightings: Sequence[Sighting], trials: Sequence[FrozenTrial]) -> Run:
    """Tell a run in few numbers."""
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    # Of equal values the earliest.
    best = max(sightings, key=lambda seen: seen.value, default=None)
    return Run(
        arm=arm,
        seed=seed,
        curve=best_so_far((seen.seen_s, seen.value) for seen in sightings),
        n_epochs=len(sightings),
        n_complete=sum(trial.state == TrialState.COMPLETE for trial in trials),
        n_pruned=sum(bool(trial.intermediate_values) for trial in pruned),
        n_refused=sum(not trial.intermediate_values for trial in pruned),
        winner={} if best is None else dict(trials[best.trial].params),
    )


class Shelf:
    """Keeps runs in a folder, so that a benchmark that was interrupted goes on."""

    def __init__(self, folder: Path, description: str) -> None:
        """Open a folder, or refuse one that holds runs of another task."""
        self._folder = folder
        self._file = TypeAdapter(Run)
        folder.mkdir(parents=True, exist_ok=True)
        label = folder / "task.txt"
        if label.exists() and label.read_text() != description:
            raise UserError(
                f"--work {folder}: holds runs of another task; give another folder\n"
                f"  there: {label.read_text()}\n  asked for: {description}"
            )
        label.write_text(description)

    def get(self, arm: str, seed: int) -> Run | None:
        """Return a kept run."""
        path = self._path(arm, seed)
        return self._file.validate_json(path.read_bytes()) if path.exists() else None

    def put(self, run: Run) -> None:
        """Keep a run, in place of an earlier state of it."""
        path = self._path(run.arm, run.seed)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_bytes(self._file.dump_json(run, indent=1))
        unfinished.replace(path)

    def place(self, arm: str, seed: int) -> Path:
        """Return the folder in which a run works."""
        return self._folder / f"{arm}-{seed}"

    def _path(self, arm: str, seed: int) -> Path:
        return self._folder / f"{arm}-{seed}.json"
