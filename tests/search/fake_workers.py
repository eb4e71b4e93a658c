"""Workers with the fake trainer, as processes: `python -m tests.search.fake_workers ROLE ...`.

A worker's first trials can be held in their second epoch: each says so, and then waits for a
byte from a pipe with a name, or for a signal. The role `starter` is the process that starts
workers.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands.errors import exit_status
from search.displays.events import EventDisplay, stop_with_parent
from search.trainer import Member
from search.workers.worker import Command
from search.workers.workers import run_workers
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import opened_in, searched

EPOCHS = 3
MODULE = "tests.search.fake_workers"


def commands(
    folder: Path, n_workers: int, total: int, *, n_held: int = 0, fails: bool = False
) -> list[Command]:
    """Say how to start workers of a study in this folder.

    Args:
        n_held: trials, from the first, that wait in their second epoch.
        fails: whether every trial raises in its second epoch.
    """
    settings = [str(folder), str(total), str(n_held), str(int(fails))]
    arguments = [sys.executable, "-m", MODULE, "worker", *settings]
    return [Command(arguments, n_threads=1)] * n_workers


@contextmanager
def gate(folder: Path) -> Iterator[int]:
    """Make the pipe in which trials are held, and return where to write a byte for each."""
    os.mkfifo(folder / "gate")
    writing = os.open(folder / "gate", os.O_RDWR)  # both ways: neither side waits to open it
    try:
        yield writing
    finally:
        os.close(writing)


def _work(folder: Path, total: int, n_held: int, fails: bool) -> int:
    stop_with_parent()
    events = EventDisplay(sys.stdout)
    signals, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written)

    def hold(member: Member, epoch: int) -> None:
        if epoch == 2 and fails:
            raise RuntimeError("no weights")
        if epoch == 2 and member.key < n_held:
            events.said(f"trial {member.key} is held")
            with (folder / "gate").open("rb", buffering=0) as pipe:
                if pipe.fileno() in select.select([pipe.fileno(), signals], [], [])[0]:
                    pipe.read(1)

    trainer = FakeTrainer(
        epochs=EPOCHS,
        before_epoch=hold,
        files=lambda member: {"key.txt": str(member.key).encode()},
    )
    artifacts = folder / "artifacts"
    events.came_to(searched(folder, total, trainer=trainer, display=events, artifacts=artifacts))
    return 0


def _start(folder: Path, n_workers: int, total: int) -> int:
    stop_with_parent()
    opened = opened_in(folder, trainer=FakeTrainer(epochs=EPOCHS))
    starting = commands(folder, n_workers, total, n_held=total)
    return run_workers(opened, starting, total, EventDisplay(sys.stdout)).exit_status


def _main() -> int:
    role, folder, *numbers = sys.argv[1:]
    if role == "worker":
        total, n_held, fails = map(int, numbers)
        return _work(Path(folder), total, n_held, bool(fails))
    n_workers, total = map(int, numbers)
    return _start(Path(folder), n_workers, total)


if __name__ == "__main__":
    sys.exit(exit_status(_main))
