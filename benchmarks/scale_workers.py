"""`python -m benchmarks.scale_workers STORAGE ...`: workers on one study that train nothing.

Each is a process, as the workers of `search.run` are: threads would share one interpreter, one
copy of the trials and one connection, of which a worker has its own. They are forked from this
one, which has imported everything and opened nothing. The last line printed is JSON.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random

import optuna

from benchmarks.proc import status_kib
from benchmarks.scale_filling import fill
from benchmarks.scale_stopwatch import Seconds, Stopwatch
from benchmarks.studies import STUDY
from commands.errors import UserError
from search.displays.display import QuietDisplay, Standing
from search.engine.claims import n_counted
from search.engine.engine import search
from search.engine.stopping import Stop
from search.files.artifacts import Artifacts
from search.sampling.pruners import PRUNERS, make_pruner
from search.sampling.samplers import SAMPLERS, make_sampler
from search.space.file import load_space
from search.storages.storage import open_storage
from search.studies.study import open_study
from search.trainer import Member
from search.trials.reading import Tally
from tests.search.fake_trainer import FakeTrainer

_STATUS = Path("/proc/self/status")


class _ClosedError(Exception):
    """The search has ended; its conclusion, seconds of statistics, is no part of what is timed."""


class _Noting(QuietDisplay):
    """Notes when trials ended, and what each of them took."""

    def __init__(self, watch: Stopwatch) -> None:
        self.rows: list[dict[str, float]] = []
        self.peak_kib = 0
        self._watch = watch
        self._since, self._since_s, self._processor_s = Seconds(), 0.0, 0.0
        self._n_epochs = 0

    def opened(self, standing: Tally) -> None:
        """Begin."""
        self._since, self._since_s = self._watch.seconds, time.monotonic()
        self._processor_s = time.process_time()

    def trained(self, record: object) -> None:
        """Count an epoch."""
        self._n_epochs += 1

    def ended(self, number: int, how: str, standing: Standing) -> None:
        """Note what has passed since the trial before it ended; not of one that time cut short."""
        if how == "stopped":
            return
        now, now_s, processor_s = self._watch.seconds, time.monotonic(), time.process_time()
        self.rows.append(
            {
                "number": number,
                "began_s": self._since_s,
                "ended_s": now_s,
                "processor_s": processor_s - self._processor_s,
                "n_epochs": self._n_epochs,
                **asdict(now.since(self._since)),
            }
        )
        self._since, self._since_s, self._n_epochs = now, now_s, 0
        self._processor_s = processor_s

    def closed(self) -> None:
        """Note the memory, and leave."""
        self.peak_kib = status_kib(_STATUS.read_text(), "VmHWM")
        raise _ClosedError


def main(argv: Sequence[str] | None = None) -> int:
    """Start the workers, wait for them, and print what each of their trials took."""
    options = _parser().parse_args(argv)
    options.space = options.space.absolute()
    os.chdir(options.folder)  # where a database's studies have their folder
    forking = multiprocessing.get_context("fork")
    first = forking.Process(target=_begin, args=(options,))
    first.start()
    first.join()
    start = forking.Barrier(options.workers)
    workers = [
        forking.Process(target=_search, args=(options, start, number))
        for number in range(options.workers)
    ]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    if died := [process.exitcode for process in (first, *workers) if process.exitcode]:
        raise UserError(f"benchmarks.scale_workers: {len(died)} processes died: {died}")
    told = [json.loads(_file(number).read_text()) for number in range(options.workers)]
    print(json.dumps({name: [one[name] for one in told] for name in told[0]}))
    return 0


def _begin(options: argparse.Namespace) -> None:
    """Make the study, with at least so many trials that have ended."""
    space = load_space(options.space)
    place = open_storage(options.storage)
    fill(open_study(place, STUDY, space, _trainer(options)), options.before, options.epochs)


def _search(options: argparse.Namespace, start: Barrier, number: int) -> None:
    """Search as worker of this number, and write down what it took."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    before_kib = status_kib(_STATUS.read_text(), "VmRSS")
    watch = Stopwatch()
    space, noting = load_space(options.space), _Noting(watch)
    trainer = _trainer(options, lambda seconds: _nap(watch, seconds))
    opened_s = time.monotonic()
    place = watch.on_lock(open_storage(options.storage))
    opened = open_study(place, STUDY, space, trainer)
    n_before = n_counted(opened)
    opening_s = time.monotonic() - opened_s
    # A database's is wrapped by Optuna, for the study.
    for storage in {id(one): one for one in (place.storage, opened.study._storage)}.values():
        watch.on_storage(storage)
    start.wait()
    with suppress(_ClosedError):
        search(
            opened,
            trainer,
            total=n_before + options.trials,
            sampler=make_sampler(options.sampler, space, trainer.infeasible, seed=0),
            pruner=make_pruner(PRUNERS[0], trainer.epochs),
            seed=0,
            display=noting,
            stop=Stop(opened.study, timeout_s=options.seconds),
            artifacts=Artifacts(Path("artifacts")),
        )
    told = {
        "trials": noting.rows,
        "opening_s": opening_s,
        "peak_mib": noting.peak_kib / 1024,
        "grown_mib": (noting.peak_kib - before_kib) / 1024,
        "n_before": n_before,
        "n_counted": n_counted(opened),
        "counted_s": time.monotonic(),
    }
    _file(number).write_text(json.dumps(told))


def _trainer(
    options: argparse.Namespace, sleep: Callable[[float], None] = time.sleep
) -> FakeTrainer:
    """Return a trainer that does nothing, or sleeps for the time of a trial.

    That varies by half, as trials of different networks do: equal ones would end together, and
    meet at the lock again and again.
    """

    def before_epoch(member: Member, epoch: int) -> None:
        if options.nap_s:
            sleep(options.nap_s * Random(member.seed).uniform(0.5, 1.5) / options.epochs)

    return FakeTrainer(epochs=options.epochs, before_epoch=before_epoch)


def _nap(watch: Stopwatch, seconds: float) -> None:
    with watch.timing("slept_s"):
        time.sleep(seconds)


def _file(number: int) -> Path:
    return Path(f"worker-{number}.json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_workers")
    add = parser.add_argument
    add("storage")
    add("--workers", type=int, required=True)
    add("--trials", type=int, required=True)
    add("--before", type=int, default=0)
    add("--seconds", type=float)
    add("--epochs", type=int, required=True)
    add("--nap-s", type=float, default=0.0)
    add("--space", type=Path, required=True)
    add("--sampler", choices=SAMPLERS, default=SAMPLERS[0])
    add("--folder", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
