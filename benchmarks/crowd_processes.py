"""`python -m benchmarks.crowd_processes STORAGE ...`: many processes that begin one study at once.

They are forked from this one, which has imported everything and opened nothing, and wait for one
another before they open the storage. Nothing is trained: an epoch is arithmetic, so that nearly
all they do is to meet. The last line printed is JSON.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from search.displays.display import QuietDisplay, Standing
from search.engine.engine import search
from search.files.artifacts import Artifacts
from search.sampling.pruners import PRUNERS, make_pruner
from search.sampling.samplers import SAMPLERS, make_sampler
from search.storages.storage import open_storage
from search.studies.study import open_study
from tests.search.fake_trainer import SPACE, FakeTrainer

STUDY = "crowd"
LONGEST_S = 600.0
"""After which a process that has not ended is taken for hanging, and killed."""


class _Noting(QuietDisplay):
    """Notes which trials the engine ended."""

    def __init__(self) -> None:
        self.ended_trials: list[int] = []

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Note the trial."""
        self.ended_trials.append(number)


def main(argv: Sequence[str] | None = None) -> int:
    """Start the processes, wait for all of them, and print what became of them."""
    options = _parser().parse_args(argv)
    os.chdir(options.folder)  # where a database's studies have their folder
    forking = multiprocessing.get_context("fork")
    start = forking.Barrier(options.processes + 1)
    told: SimpleQueue[list[int]] = forking.SimpleQueue()
    processes = [
        forking.Process(target=_search, args=(options, start, told))
        for _ in range(options.processes)
    ]
    for process in processes:
        process.start()
    start.wait()
    began_s = time.monotonic()
    for process in processes:
        process.join(max(0.0, began_s + LONGEST_S - time.monotonic()))
        process.kill()
        process.join()
    wall_s = time.monotonic() - began_s
    statuses = [process.exitcode for process in processes]
    ended = []
    while not told.empty():
        ended.append(told.get())
    print(json.dumps({"wall_s": wall_s, "exit_statuses": statuses, "ended": ended}))
    return 0


def _search(options: argparse.Namespace, start: Barrier, told: "SimpleQueue[list[int]]") -> None:
    start.wait()
    trainer, noting = FakeTrainer(epochs=options.epochs), _Noting()
    search(
        open_study(open_storage(options.storage), STUDY, SPACE, trainer),
        trainer,
        total=options.trials,
        sampler=make_sampler(SAMPLERS[0], SPACE, trainer.infeasible, seed=0),
        pruner=make_pruner(PRUNERS[0], trainer.epochs),
        seed=0,
        display=noting,
        artifacts=Artifacts(Path("artifacts")),
    )
    told.put(noting.ended_trials)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd_processes")
    add = parser.add_argument
    add("storage")
    add("--processes", type=int, required=True)
    add("--trials", type=int, required=True)
    add("--epochs", type=int, required=True)
    add("--folder", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
