"""`python -m benchmarks.faults --rounds N`: does a study lose anything, whatever befalls it?

Each round runs a small study on the digits through `search.run`, as real processes, and injects
one or two faults at seeded random moments. Then the same command is run again until it has ended
well, and all is checked: that no finished trial was lost, changed or counted twice, the total,
the values against an undisturbed study's, the dashboard, what was left behind, and what the
commands said. Rounds that are in the work folder already are not repeated.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Lock

import torch

from benchmarks.faulting.catalogue import FAULTS
from benchmarks.faulting.disk import how
from benchmarks.faulting.loss import HEADINGS, KINDS
from benchmarks.faulting.rounds import Plan, plan, run, undisturbed
from benchmarks.faulting.setting import Setting, make_world
from benchmarks.report import Result, make_parser, publish
from commands.arguments import whole
from commands.errors import UserError, exit_status

_DONE = "rounds.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds that are not there yet and sum up all; 1 if anything was lost."""
    options = _parser().parse_args(argv)
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        raise UserError("benchmarks.faults: takes Linux and two cores")
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # which all that we start would inherit
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"{how()}; clocks: set within Python (time.time, datetime), not the kernel's")
    with _work_folder(options.work) as work:
        make_world(work)
        results = _campaign(options, work)
    _publish(results, options.json)
    return 1 if any(result["losses"] for result in results) else 0


@contextmanager
def _work_folder(given: Path | None) -> Iterator[Path]:
    """Return the folder for the rounds; one that nobody has named goes, unless it has failures."""
    if given is not None:
        yield given.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    yield folder
    if not any(folder.glob("round-*")):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()


def _campaign(options: argparse.Namespace, work: Path) -> list[Result]:
    """Run the rounds that are missing, and return those that were asked for."""
    done = {_key(one): one for one in _read(work / _DONE)}
    planned = [plan(options.seed, number, options.faults) for number in range(options.rounds)]
    writing, over = Lock(), Event()

    def go(one: Plan) -> Result:
        result = run(one, work, undisturbed(one.setting, work), over.is_set)
        with writing, (work / _DONE).open("a") as file:
            file.write(json.dumps(result) + "\n")
        return result

    missing = [one for one in planned if one not in done]
    for setting in {one.setting: None for one in missing}:  # before rounds need it at once
        undisturbed(setting, work)
    with ThreadPoolExecutor(options.jobs) as jobs:
        try:
            for future in as_completed([jobs.submit(go, one) for one in missing]):
                result = future.result()
                done[_key(result)] = result
                print(_line(result), flush=True)
        except BaseException:  # the processes of rounds under way end with this one
            over.set()
            jobs.shutdown(cancel_futures=True)
            raise
    return [done[one] for one in planned]


def _key(result: Result) -> Plan:
    """Return what a round was to be; another choice of faults makes other rounds."""
    setting = Setting(result["workers"], result["data"])
    return Plan(result["seed"], result["round"], tuple(result["planned"]), setting)


def _read(path: Path) -> list[Result]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _line(result: Result) -> str:
    """Return what became of a round, in one line and one more for each loss."""
    struck = list(result["faults"])
    too_late = Counter[str](result["planned"]) - Counter(struck)
    faults = " + ".join([*struck, *(f"({name}: too late)" for name in too_late.elements())])
    losses = [f"\n  {loss['kind']}: {loss['what']}" for loss in result["losses"]]
    workers = "1 worker" if result["workers"] == 1 else f"{result['workers']} workers"
    said = "".join(losses) if losses else " nothing lost"
    return f"round {result['round']}, {workers}: {faults}, {result['seconds']} s:{said}"


def _publish(results: Sequence[Result], path: Path | None) -> None:
    """Print what struck, and what was lost, by kind."""
    struck = Counter(name for one in results for name in one["faults"])
    rows: list[Result] = [
        {
            "fault": name,
            "rounds": sum(name in one["faults"] for one in results),
            "injections": struck[name],
            **_losses([one for one in results if name in one["faults"]]),
        }
        for name in FAULTS
        if struck[name]
    ]
    total = {"fault": "all", "rounds": len(results), "injections": struck.total()}
    rows.append(total | _losses(results))
    publish(
        rows,
        device=torch.device("cpu"),
        title=f"{len(results)} rounds, {struck.total()} faults",
        columns={name: partial(_cell, name) for name in (*total, *KINDS)},
        lines=[
            *(f"{heading}: {rows[-1][kind]}" for kind, heading in HEADINGS.items()),
            f"seconds a round: {sum(one['seconds'] for one in results) / len(results):.1f}",
        ],
        path=path,
        rounds=list(results),
    )


def _cell(name: str, row: Result) -> str:
    return str(row[name])


def _losses(results: Sequence[Result]) -> dict[str, int]:
    n = Counter(loss["kind"] for one in results for loss in one["losses"])
    return {kind: n[kind] for kind in KINDS}


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("faults", __doc__)
    add = parser.add_argument
    positive = whole(at_least=1)
    add("--rounds", type=positive, default=20, metavar="N", help="default: %(default)s")
    add("--seed", type=whole(at_least=0), default=0, metavar="S", help="default: %(default)s")
    add(
        "--faults",
        nargs="+",
        choices=FAULTS,
        default=list(FAULTS),
        metavar="FAULT",
        help=f"which: {', '.join(FAULTS)} (default: all)",
    )
    add("--work", type=Path, metavar="DIR", help="where rounds are run, and those that fail stay")
    add("--jobs", type=positive, default=2, metavar="J", help="rounds at once (default: 2)")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
