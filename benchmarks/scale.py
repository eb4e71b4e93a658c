"""`python -m benchmarks.scale`: how many workers does a storage serve, and how many trials?

Each worker is a process with the study engine, its sampler and its pruner, on a trainer that does
nothing: as many asks a second as the storage takes. What a trial costs with one worker, under the
lock of the claims and outside it, says by mean value analysis what share of their time workers
lose where trials last --trial-s, and how it grows with the study. With --nap they are really
slept, and the share is measured. PostgreSQL is a server of this command's own that forces what is
committed to the disk; the proxy is `search.proxy` in front of one.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.report import Result, make_parser, measured, publish, verdict
from benchmarks.scale_model import MOST_WORKERS, Growth, cost_alone, cost_of, growth
from benchmarks.scale_plot import plot
from benchmarks.scale_storages import STORAGES, Storages
from benchmarks.search_plot import check_can_plot
from commands.arguments import seconds, whole
from commands.errors import UserError, exit_status
from search.sampling.samplers import N_SEEN, SAMPLERS

GOAL_WORKERS, GOAL_SHARE = 16, 0.05
FAR = 100_000
"""Trials that nobody has run here: what is said of them is a straight line."""
_N_WINDOWS = 10
"""Into which a run is cut, to see what its trials cost as they become more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each storage with each number of workers, and print what it means."""
    options = _parser().parse_args(argv)
    if options.plot:
        check_can_plot(options.plot)
    results = _results(options)
    for result in results:
        cost = cost_alone(_fewest(results, result["storage"], result["before"]))
        result["predicted_share"] = cost.lost_share(result["workers"], options.trial_s)
    models = {storage: _growth(results, storage) for storage in options.storages}
    far = [_far(storage, model, options) for storage, model in models.items() if model]
    publish(
        results,
        device=torch.device("cpu"),
        title=f"{options.trials} trials of {options.epochs} epochs, {options.sampler}",
        columns={
            "storage": lambda one: one["storage"],
            "after": lambda one: f"{one['before']:,}",
            "workers": lambda one: str(one["workers"]),
            "asks/s": lambda one: f"{one['asks_per_s']:.1f}",
            "ms a trial": lambda one: f"{one['lost_ms']:.0f}",
            "CPU ms": lambda one: f"{one['processor_ms']:.0f}",
            "in the storage": lambda one: f"{one['storage_ms']:.0f}",
            "for the lock": lambda one: f"{one['waited_ms']:.0f}",
            "under it": lambda one: f"{one['held_ms']:.0f}",
            "share lost": lambda one: "-" if one["share"] is None else f"{one['share']:.1%}",
            "once settled": lambda one: (
                "-" if one["settled_share"] is None else f"{one['settled_share']:.1%}"
            ),
            f"of {options.trial_s:g} s, predicted": lambda one: f"{one['predicted_share']:.1%}",
            "s to open": lambda one: f"{one['opening_s']:.1f}",
            "MiB a worker": lambda one: f"{one['peak_mib']:.0f}",
            "of these the study's": lambda one: f"{one['grown_mib']:.0f}",
        },
        lines=[*_verdicts(results), *map(_far_line, far)],
        path=options.json,
        trial_s=options.trial_s,
        sampler=options.sampler,
        far=far,
    )
    if options.plot:
        plot(results, models, options.trial_s, options.plot)
    return 0


def _results(options: argparse.Namespace) -> list[Result]:
    """Measure every cell that a machine holds: each worker has the whole study in its memory."""
    results = []
    with tempfile.TemporaryDirectory(prefix="scale-") as name, ExitStack() as stack:
        storages = Storages(Path(name), stack)
        for before, storage, n_workers in product(
            options.before, options.storages, options.workers
        ):
            if before * n_workers > options.most_loaded:
                print(f"{storage}, {n_workers} workers: not after {before}", file=sys.stderr)
                continue
            # What is long in the making is used again, and grows by a few trials each time.
            key = str(before) if before else f"{storage}-{n_workers}"
            with storages.at(storage, key) as given:
                results.append(_measure(storage, given, before, n_workers, options))
            print(_line(results[-1]), file=sys.stderr, flush=True)
    return results


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("scale", __doc__)
    add = parser.add_argument
    positive = whole(at_least=1)
    add("--storages", nargs="+", choices=STORAGES, default=STORAGES)
    add("--workers", nargs="+", type=positive, default=[1, 4, 16, 64], metavar="W")
    add("--trials", type=whole(at_least=2), default=10_000, metavar="N", help="that are timed")
    add(
        "--before",
        nargs="+",
        type=whole(at_least=0),
        default=[0],
        metavar="N",
        help="trials that the study has already: a look at a large one in minutes",
    )
    add(
        "--seconds-per-cell",
        type=seconds,
        metavar="SECONDS",
        help="after which workers stop, whatever --trials says",
    )
    add(
        "--most-loaded",
        type=positive,
        default=200_000,
        metavar="N",
        help="leave out where workers times --before is more: each holds the study",
    )
    add("--epochs", type=positive, default=10, metavar="E")
    add("--space", type=Path, default=Path("spaces/everything.py"), metavar="SPACE.py")
    add("--sampler", choices=SAMPLERS, default=SAMPLERS[0], help="default: %(default)s")
    add("--trial-s", type=seconds, default=10.0, metavar="SECONDS", help="of a whole trial")
    add("--nap", action="store_true", help="sleep them, instead of predicting")
    add("--plot", type=Path, metavar="FILE", help="draw the curves: .svg, .png or .pdf")
    return parser


def _measure(
    storage: str, given: str, before: int, n_workers: int, options: argparse.Namespace
) -> Result:
    """Let so many workers loose on a storage, and return what their trials took."""
    limit = options.seconds_per_cell
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        told = measured(
            "benchmarks.scale_workers",
            given,
            *("--workers", n_workers, "--trials", options.trials, "--before", before),
            *("--epochs", options.epochs, "--space", options.space, "--folder", folder),
            *("--sampler", options.sampler, "--nap-s", options.trial_s if options.nap else 0.0),
            *(("--seconds", limit) if limit else ()),
        )
    own = summary(told, options.epochs)
    if own["n_counted"] != own["n_before"] + own["n_trials"]:
        raise UserError(
            f"{storage}: {own['n_before']} and {own['n_trials']} trials are {own['n_counted']}"
        )
    return {"storage": storage, "before": before, "workers": n_workers, **own}


def summary(told: Mapping[str, Any], epochs: int) -> Result:
    """Return the means over what the workers have told of their trials.

    Args:
        epochs: of a trial that is not pruned.
    """
    rows = sorted((row for rows in told["trials"] for row in rows), key=lambda row: row["number"])
    wall_s = max(row["ended_s"] for row in rows) - min(row["began_s"] for row in rows)
    lost_s = mean(map(_lost_s, rows))
    train_s = mean(row["slept_s"] for row in rows)
    return {
        "n_trials": len(rows),
        "wall_s": wall_s,
        "asks_per_s": len(rows) / wall_s,
        "n_before": max(told["n_before"]),
        "n_counted": _last(told["counted_s"], told["n_counted"]),
        "epochs": mean(row["n_epochs"] for row in rows),
        "lost_ms": 1000 * lost_s,
        "storage_ms": 1000 * mean(row["storage_s"] for row in rows),
        "waited_ms": 1000 * mean(row["waited_s"] for row in rows),
        "held_ms": 1000 * mean(row["held_s"] for row in rows),
        "processor_ms": 1000 * mean(row["processor_s"] for row in rows),
        "share": lost_s / (lost_s + train_s) if train_s else None,
        "settled_share": _settled_share(told["trials"]),
        "windows": list(_windows(rows, epochs)),
        "opening_s": max(told["opening_s"]),
        "peak_mib": max(told["peak_mib"]),
        "grown_mib": max(told["grown_mib"]),
    }


def _settled_share(workers: Sequence[Sequence[Mapping[str, float]]]) -> float | None:
    """Return the share without each worker's first trial: they begin at the same moment."""
    rows = [row for own in workers for row in own[1:]]
    slept_s = sum(row["slept_s"] for row in rows)
    return 1 - slept_s / (slept_s + sum(map(_lost_s, rows))) if slept_s else None


def _last(at_s: Sequence[float], counts: Sequence[int]) -> int:
    """Return what was counted last, when nothing ran any more."""
    return max(zip(at_s, counts, strict=True))[1]


def _lost_s(row: Mapping[str, float]) -> float:
    return row["ended_s"] - row["began_s"] - row["slept_s"]


def _windows(rows: Sequence[Mapping[str, float]], epochs: int) -> Iterable[Result]:
    """Yield the costs of trials that followed one another, where they are in the study."""
    size = max(1, len(rows) // _N_WINDOWS)
    for begin in range(0, len(rows), size):
        window = rows[begin : begin + size]
        held_s = mean(row["held_s"] for row in window)
        yield {
            "at": mean(row["number"] for row in window),
            "held_s": held_s,
            "alone_s": max(0.0, mean(map(_lost_s, window)) - held_s),
            "waited_s": mean(row["waited_s"] for row in window),
            "epochs": mean(row["n_epochs"] for row in window) / epochs,
        }


def _fewest(results: Sequence[Result], storage: str, before: int) -> Result:
    """Return the result with the fewest workers, who are least in each other's way."""
    own = [one for one in results if (one["storage"], one["before"]) == (storage, before)]
    return min(own, key=lambda one: one["workers"])


def _growth(results: Sequence[Result], storage: str) -> Growth | None:
    """Return how the costs grow, in studies so large that TPE learns from no more trials.

    None where fewer than ten times as many have been seen: a line through them says nothing.
    """
    befores = {one["before"] for one in results if one["storage"] == storage}
    points = [
        (window["at"], cost_of(window, is_one=one["workers"] == 1))
        for one in (_fewest(results, storage, before) for before in befores)
        for window in one["windows"]
        if window["at"] >= N_SEEN
    ]
    if max((at for at, _ in points), default=0) < FAR / 10:
        return None
    return growth(points)


def _far(storage: str, model: Growth, options: argparse.Namespace) -> Result:
    cost = model.at(FAR)
    return {
        "storage": storage,
        "n_trials": FAR,
        "held_ms": 1000 * cost.held_s,
        "alone_ms": 1000 * cost.alone_s,
        "share": cost.lost_share(GOAL_WORKERS, options.trial_s),
        "most_workers": cost.most_workers(options.trial_s, GOAL_SHARE),
        "bend": min(cost.bend(options.trial_s), MOST_WORKERS),
    }


def _far_line(far: Result) -> str:
    return (
        f"{far['storage']}, at {FAR:,} trials, extrapolated: {far['held_ms']:.0f} ms under the "
        f"lock and {far['alone_ms']:.0f} outside it, {GOAL_WORKERS} workers lose "
        f"{far['share']:.1%}; {far['most_workers']} lose at most {GOAL_SHARE:.0%}; it bends at "
        f"{far['bend']:.0f}"
    )


def _verdicts(results: Sequence[Result]) -> list[str]:
    """Judge the rows of the goal's number of workers: by what was slept, else by prediction."""
    return [
        verdict(
            f"{one['storage']}, {GOAL_WORKERS} workers",
            100 * (one["predicted_share"] if one["share"] is None else one["share"]),
            100 * GOAL_SHARE,
            unit=" %",
        )
        for one in results
        if one["workers"] == GOAL_WORKERS
    ]


def _line(result: Result) -> str:
    return (
        f"{result['storage']}, {result['workers']} workers: {result['n_trials']} trials after "
        f"{result['before']} in "
        f"{result['wall_s']:.0f} s, {result['lost_ms']:.0f} ms each"
    )


if __name__ == "__main__":
    sys.exit(exit_status(main))
