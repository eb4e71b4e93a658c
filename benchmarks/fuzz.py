"""`python -m benchmarks.fuzz`: can a stranger's file make a reader do what it should not?

Valid files of every kind are damaged again and again and read as commands read them. A reader may
accept a copy, or refuse it with the error that it documents. Any other exception is a fault, and
so is one file that takes longer than ten seconds. The same seed damages the same bytes.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

import torch

from benchmarks.fuzz_readers import Reader, make_readers
from benchmarks.mutator import Mutator
from benchmarks.report import Result, make_parser, publish
from commands.arguments import whole
from commands.errors import UserError, exit_status

LONGEST_S = 10.0
_IN_MEMORY = Path("/dev/shm")
_KEPT_SHARE = 0.02
"""Of the copies that a reader accepts, those that are damaged further."""


class TooSlowError(BaseException):
    """One file took too long; no reader catches this as its own."""


@dataclass
class Tally:
    """What became of a reader's copies."""

    n_accepted: int = 0
    n_refused: int = 0
    faults: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """By what was raised and where: how often, and the first copy that did it."""
    elapsed_s: float = 0.0

    @property
    def n_faults(self) -> int:
        """Copies that made a reader do anything else."""
        return sum(n for n, _ in self.faults.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Damage and read; return 1 where there is a fault."""
    options = _parser().parse_args(argv)
    warnings.simplefilter("ignore")
    memory = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as folder:
        readers = [
            reader
            for reader in make_readers(Path(folder))
            if not options.readers or any(reader.name.startswith(name) for name in options.readers)
        ]
        if not readers:
            raise UserError(f"--readers {' '.join(options.readers)}: there is no such reader")
        for place, reader in enumerate(readers):
            n = options.executions // len(readers) + (place < options.executions % len(readers))
            tally = fuzz(reader, n, options.seed)
            results.append(_result(reader, tally, options.keep))
            print(results[-1], file=sys.stderr, flush=True)
    n_faults = sum(result["faults"] for result in results)
    publish(
        results,
        device=torch.device("cpu"),
        title=f"{options.executions:,} damaged files, seed {options.seed}",
        columns={
            "reader": lambda one: str(one["reader"]),
            "read": lambda one: f"{one['executions']:,}",
            "accepted": lambda one: f"{one['accepted']:,}",
            "refused": lambda one: f"{one['refused']:,}",
            "faults": lambda one: f"{one['faults']:,}",
            "a second": lambda one: f"{one['per_s']:,.0f}",
        },
        path=options.json,
        lines=[f"{result['reader']}: {what}" for result in results for what in result["raised"]],
        executions=options.executions,
        seed=options.seed,
    )
    return 1 if n_faults else 0


def fuzz(reader: Reader, executions: int, seed: int) -> Tally:
    """Damage a reader's files and read them."""
    random = Random(f"{seed} {reader.name}")
    mutator, tally = Mutator(reader.corpus, random), Tally()
    started = time.perf_counter()
    for _ in range(executions):
        content = mutator.make()
        try:
            with _limited(LONGEST_S):
                reader.read(content)
        except reader.allowed:
            tally.n_refused += 1
        except (Exception, TooSlowError) as error:
            what = _what(error)
            n, first = tally.faults.get(what, (0, content))
            tally.faults[what] = n + 1, first
        else:
            tally.n_accepted += 1
            if random.random() < _KEPT_SHARE:
                mutator.keep(content)
    tally.elapsed_s = time.perf_counter() - started
    return tally


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `TooSlowError` in what takes longer."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _what(error: BaseException) -> str:
    """Say what was raised, and where in this project."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    last = (ours or frames)[-1]
    return (
        f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno} ({str(error)[:80]})"
    )


def _result(reader: Reader, tally: Tally, keep: Path | None) -> Result:
    if keep is not None and tally.faults:
        keep.mkdir(parents=True, exist_ok=True)
        for number, (_, content) in enumerate(tally.faults.values()):
            name = "".join(letter if letter.isalnum() else "-" for letter in reader.name)
            (keep / f"{name}-{number}").write_bytes(content)
    n_read = tally.n_accepted + tally.n_refused + tally.n_faults
    return {
        "reader": reader.name,
        "executions": n_read,
        "accepted": tally.n_accepted,
        "refused": tally.n_refused,
        "faults": tally.n_faults,
        "per_s": n_read / max(tally.elapsed_s, 1e-9),
        "raised": [f"{what}, {n:,} times" for what, (n, _) in tally.faults.items()],
    }


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("fuzz", __doc__)
    add = parser.add_argument
    add("--executions", type=whole(at_least=1), default=20_000, metavar="N", help="in all")
    add("--seed", type=whole(at_least=0), default=0, metavar="S")
    add("--readers", nargs="*", metavar="NAME", help="those whose names begin so; default: all")
    add("--keep", type=Path, metavar="DIR", help="keep one file of each fault")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
