"""What a final training shows: a bar for those that train on a terminal, lines elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mame_cnn.cohorts.progress import EpochResult


class TrainingDisplay:
    """Shows the epochs of cohorts, one after the other."""

    def __init__(self, console: Console, names: Sequence[str], epochs: int):
        """Show trainings by name, of which each has at most so many epochs."""
        self._console = console
        self._names = names
        self._epochs = epochs
        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._places: Sequence[int] = ()
        self._task: TaskID | None = None
        self._best = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it."""
        with self._progress:
            yield

    def epoch(self, places: Sequence[int], results: Sequence[EpochResult]) -> None:
        """Show what the members of one cohort did in their next epoch."""
        if places != self._places:
            self._begin(places)
        assert self._task is not None
        self._best = max(self._best, *(result.val_accuracy for result in results))
        line = (
            f"train {_range([result.train_accuracy for result in results])}  "
            f"val {_range([result.val_accuracy for result in results])}  "
            f"best {self._best:6.1%}  "
            f"{sum(result.images_per_s for result in results):,.0f} images/s"
        )
        epoch = max(result.epoch for result in results)
        self._progress.update(self._task, completed=epoch, description=line)
        if not self._console.is_terminal:
            self._console.print(f"epoch {epoch}/{self._epochs}  {line}")

    def _begin(self, places: Sequence[int]) -> None:
        """Start a new bar, under the names of those that train."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._places, self._best = places, 0.0
        if len(self._names) > 1:
            who = ", ".join(self._names[place] for place in places)
            self._console.print(f"training {who}", markup=False)
        self._task = self._progress.add_task("", total=self._epochs)


def _range(shares: Sequence[float]) -> str:
    """Write one share, or the least and the most of several."""
    least, most = min(shares), max(shares)
    return f"{most:6.1%}" if len(shares) == 1 else f"{least:.1%}-{most:.1%}"
