"""What a search shows while it runs: a live table, plain lines, or nothing.

All three answer the same calls. A live table needs a terminal; where there is none, a line for
each trial that ended goes out at once, so that a log can be followed.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.displays.progress import Progress, duration, percent
from search.trainer import Record
from search.trials.reading import Tally

_LONGEST_SILENCE_S = 30.0
_BETWEEN_DRAWINGS_S = 0.2
"""A table takes about 5 ms to draw, which is more than a display may cost an epoch."""
_N_OTHER_LINES = 6
"""Lines of a live display that are no trials."""
Standing = Callable[[], Tally]
"""Tells how the study stands now, by a look at its storage, for who shows it."""


class Display(Protocol):
    """What the engine tells while it runs."""

    def opened(self, standing: Tally) -> None:
        """Tell how the study stands before the first trial of this run."""

    def said(self, line: str) -> None:
        """Tell something beside the trials."""

    def warned(self, line: str) -> None:
        """Tell that something is lost though the search goes on, also to whoever wants quiet."""

    def started(self, number: int) -> None:
        """Tell that a trial begins."""

    def trained(self, record: Record) -> None:
        """Tell what a trial did in an epoch."""

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Tell that a trial has ended, and how the study stands now."""

    def closed(self) -> None:
        """Tell that nothing more comes."""


def make_display(
    study_name: str,
    total: int,
    epochs: int,
    *,
    is_quiet: bool = False,
    stream: TextIO | None = None,
) -> Display:
    """Return the display that fits: none if quiet, live on a terminal, lines elsewhere."""
    stream = sys.stdout if stream is None else stream
    if is_quiet:
        return QuietDisplay()
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(Progress(study_name, total, epochs), console)
    return LineDisplay(Progress(study_name, total, epochs), stream)


class QuietDisplay:
    """Shows nothing but warnings, on stderr: that files or checkpoints are not kept."""

    def opened(self, standing: Tally) -> None:
        """Show nothing."""

    def said(self, line: str) -> None:
        """Show nothing."""

    def warned(self, line: str) -> None:
        """Write the line to stderr."""
        print(f"warning: {line}", file=sys.stderr, flush=True)

    def started(self, number: int) -> None:
        """Show nothing."""

    def trained(self, record: Record) -> None:
        """Show nothing."""

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Show nothing."""

    def closed(self) -> None:
        """Show nothing."""


class LineDisplay:
    """Writes one line for each trial that ended, and one now and then for a long one."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream
        self._said_s = time.monotonic()

    def opened(self, standing: Tally) -> None:
        """Write how the study stands."""
        self._progress.opened(standing)
        name, total = self._progress.study_name, self._progress.total
        self.said(
            f"study {name}: {standing.n_ended} of {total} trials, best {self._progress.best()}"
        )

    def said(self, line: str) -> None:
        """Write the line."""
        print(line, file=self._stream, flush=True)
        self._said_s = time.monotonic()

    def warned(self, line: str) -> None:
        """Write the line."""
        self.said(line)

    def started(self, number: int) -> None:
        """Remember the trial."""
        self._progress.started(number)

    def trained(self, record: Record) -> None:
        """Remember the epoch, and write it after a long silence."""
        self._progress.trained(record)
        if time.monotonic() - self._said_s > _LONGEST_SILENCE_S:
            epochs = self._progress.epochs
            self.said(
                f"trial {record.key:>3}  epoch {record.epoch:>{len(str(epochs))}}/{epochs}  "
                f"{percent(record.value):>5} %  {record.images_per_s:>7,.0f} images/s  training"
            )

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Write the trial's line."""
        self._progress.ended(number, how, standing())
        row, epochs = self._progress.row(number), self._progress.epochs
        n_ended = self._progress.standing.n_ended
        self.said(
            f"trial {number:>3}  epoch {row.epoch:>{len(str(epochs))}}/{epochs}  "
            f"{percent(row.best):>5} %  {row.images_per_s:>7,.0f} images/s  "
            f"{n_ended:>3}/{self._progress.total}  best {self._progress.best()}  "
            f"{duration(self._progress.left_s())} left  {how}"
        )

    def closed(self) -> None:
        """Write nothing more."""


class LiveDisplay:
    """Keeps a table of the last trials under a header with the study's progress.

    It is drawn by a thread of its own, now and then, so that no epoch waits for a drawing.
    """

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._has_changed = threading.Event()
        self._is_closed = threading.Event()
        self._live = Live(get_renderable=self._render, console=console, auto_refresh=False)
        self._drawing = threading.Thread(target=self._draw, daemon=True)

    def opened(self, standing: Tally) -> None:
        """Show the table."""
        self._progress.opened(standing)
        self._live.start(refresh=True)
        self._drawing.start()

    def said(self, line: str) -> None:
        """Show the line above the table."""
        self._console.print(Text(line))

    def warned(self, line: str) -> None:
        """Show the line above the table."""
        self.said(line)

    def started(self, number: int) -> None:
        """Add a row."""
        self._progress.started(number)
        self._has_changed.set()

    def trained(self, record: Record) -> None:
        """Fill the row."""
        self._progress.trained(record)
        self._has_changed.set()

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Close the row."""
        self._progress.ended(number, how, standing())
        self._has_changed.set()

    def closed(self) -> None:
        """Leave the table as it is."""
        self._is_closed.set()
        self._has_changed.set()
        self._drawing.join()
        self._live.stop()  # which draws once more

    def _draw(self) -> None:
        while not self._is_closed.wait(_BETWEEN_DRAWINGS_S):
            self._has_changed.wait()
            self._has_changed.clear()
            self._live.refresh()

    def _render(self) -> Group:
        progress, height = self._progress, self._console.height
        table = _table(progress, n_most=max(1, height - _N_OTHER_LINES))
        if self._is_closed.is_set():
            return Group(_header(progress), _summary(progress), table)
        together = [_together(progress)] if progress.is_parallel else []
        # Below, a terminal echoes ^C, which at the end of a full line would shift the table.
        return Group(_header(progress), _summary(progress), *together, table, "")


def _header(progress: Progress) -> Table:
    """One line: the study, how far it is, a bar, and the time left."""
    n_ended = progress.standing.n_ended
    header = Table.grid(padding=(0, 2, 0, 0), expand=True)
    header.add_column(no_wrap=True, overflow="ellipsis")
    header.add_column(no_wrap=True)
    header.add_column(ratio=1)
    header.add_column(no_wrap=True, justify="right")
    header.add_row(
        Text(progress.study_name, style="bold cyan"),
        Text(f"{n_ended}/{progress.total} trials", style="bold"),
        ProgressBar(total=progress.total, completed=min(n_ended, progress.total)),
        Text(f"{duration(progress.left_s())} left"),
    )
    return header


def _summary(progress: Progress) -> Text:
    """One line: the best trial, and what became of the others."""
    standing = progress.standing
    failed = f", {standing.n_failed} failed" if standing.n_failed else ""
    return Text.assemble(
        ("best ", "dim"),
        (progress.best(), "bold green"),
        (f"   {standing.n_complete} complete, {standing.n_pruned} pruned{failed}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _together(progress: Progress) -> Text:
    """One line: how many trials train at the same time, and how fast all of them."""
    rows = progress.training()
    images_per_s = sum(row.images_per_s for row in rows)
    return Text(
        f"{len(rows)} in training, {images_per_s:,.0f} images/s together",
        style="dim",
        no_wrap=True,
        overflow="ellipsis",
    )


def _table(progress: Progress, n_most: int) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", expand=True
    )
    for column in ("trial", "epoch", "accuracy %", "best %", "images/s"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("state", overflow="ellipsis", no_wrap=True, ratio=1)
    best = progress.standing.best
    for row in progress.rows(n_most):
        is_best = best is not None and row.number == best.number
        table.add_row(
            str(row.number),
            f"{row.epoch}/{progress.epochs}",
            percent(row.value),
            percent(row.best),
            f"{row.images_per_s:,.0f}" if row.images_per_s else "-",
            "best so far" if is_best else row.how,
            style="bold green" if is_best else _STYLES.get(row.how.partition(":")[0], ""),
        )
    return table


_STYLES = {"pruned": "dim", "failed": "red", "stopped": "yellow", "lost": "red"}
