"""Work on many files by threads, in order, with a bar on stderr where it is a terminal."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

In = TypeVar("In")
Out = TypeVar("Out")
N_AHEAD = 16  # results a thread may be ahead of the consumer: 3 MiB of images at 256 px


def bar(shown: bool = True) -> Progress:
    """Return a display that counts files, silent if unwanted or stderr is no terminal."""
    return _display(shown, MofNCompleteColumn())


def byte_bar(shown: bool = True) -> Progress:
    """Return a display that counts bytes, silent if unwanted or stderr is no terminal."""
    return _display(shown, DownloadColumn(), TransferSpeedColumn())


def in_threads(work: Callable[[In], Out], items: Sequence[In]) -> Iterator[Out]:
    """Yield the results of the work in the items' order; Pillow and SHA-256 release the GIL."""
    has_affinity = hasattr(os, "sched_getaffinity")
    n_threads = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    executor = ThreadPoolExecutor(n_threads)
    rest = iter(items)
    try:
        pending: deque[Future[Out]] = deque(
            executor.submit(work, item) for item in islice(rest, N_AHEAD * n_threads)
        )
        while pending:
            yield pending.popleft().result()
            pending.extend(executor.submit(work, item) for item in islice(rest, 1))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _display(shown: bool, *columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not (shown and sys.stderr.isatty()),
        transient=True,
    )
