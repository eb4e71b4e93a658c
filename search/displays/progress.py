"""What a display knows: this run's trials, how the study stands, and the time left."""

import time
from dataclasses import dataclass

from search.trainer import Record
from search.trials.reading import Tally

_N_FOR_A_PACE = 3
"""Ended trials before the time left is told: one full trial says little of pruned ones."""
_N_SHOWN = 8
"""Trials that are remembered: enough to see a trend, few enough for a small terminal.

More are if more train at the same time.
"""
_TRAINING = "training"


@dataclass
class Row:
    """A trial as the display knows it."""

    number: int
    epoch: int = 0
    value: float | None = None
    """Of the last epoch."""
    best: float | None = None
    images_per_s: float = 0.0
    how: str = _TRAINING

    @property
    def is_training(self) -> bool:
        """Whether the trial has not ended."""
        return self.how == _TRAINING


class Progress:
    """The trials of this run, how the study stands, and how long it will take."""

    def __init__(self, study_name: str, total: int, epochs: int) -> None:
        self.study_name = study_name
        self.total = total
        self.epochs = epochs
        self.is_parallel = False
        """Whether several trials have been training at the same time."""
        self._rows: dict[int, Row] = {}
        self.standing = Tally(0, 0, 0, 0, None)
        self._n_ended_before = 0
        self._since_s = time.monotonic()

    def opened(self, standing: Tally) -> None:
        """Begin to measure the pace."""
        self.standing = standing
        self._n_ended_before = standing.n_ended
        self._since_s = time.monotonic()

    def started(self, number: int) -> None:
        """Add a row; the oldest of those that have ended go where there are too many."""
        self._rows[number] = Row(number)
        ended = [row.number for row in self._rows.values() if not row.is_training]
        self.is_parallel |= len(self._rows) - len(ended) > 1
        for oldest in ended[: max(0, len(self._rows) - _N_SHOWN)]:
            del self._rows[oldest]

    def trained(self, record: Record) -> None:
        """Bring the trial's row up to date."""
        row = self.row(record.key)
        row.epoch, row.value, row.images_per_s = record.epoch, record.value, record.images_per_s
        row.best = record.value if row.best is None else max(row.best, record.value)

    def ended(self, number: int, how: str, standing: Tally) -> None:
        """Write into the trial's row what became of it."""
        self.row(number).how = how
        self.standing = standing

    def row(self, number: int) -> Row:
        """Return a trial's row; one that has left the table keeps none."""
        return self._rows.get(number) or Row(number)

    def rows(self, n_most: int = _N_SHOWN) -> list[Row]:
        """Return the latest rows in their order, those in training before any that ended."""
        rows = list(self._rows.values())  # at once: another thread may be adding to them
        kept = sorted(rows, key=lambda row: row.is_training)[-n_most:]
        return [row for row in rows if row in kept]

    def training(self) -> list[Row]:
        """Return the rows of the trials that train now."""
        return [row for row in list(self._rows.values()) if row.is_training]

    def left_s(self) -> float | None:
        """Return the seconds left at the pace of this run, or None before it has a pace."""
        n_ended = self.standing.n_ended - self._n_ended_before
        if n_ended < _N_FOR_A_PACE:
            return None
        pace_s = (time.monotonic() - self._since_s) / n_ended
        return pace_s * max(0, self.total - self.standing.n_ended)

    def best(self) -> str:
        """Write the best value and its trial."""
        best = self.standing.best
        return "-" if best is None else f"{percent(best.value)} % (trial {best.number})"


def percent(share: float | None) -> str:
    """Write a share as per cent with one decimal."""
    return "-" if share is None else f"{100 * share:.1f}"


def duration(seconds: float | None) -> str:
    """Write seconds as people say them: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
