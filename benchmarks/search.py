"""`python -m benchmarks.search --data DIR --minutes M`: how good a network after how much time.

The same space and the same wall-clock time for (a) the script that Optuna's own PyTorch example
suggests, (b) random search on this engine, (c) this project's defaults; every run in a process
of its own, one at a time, the arms in turn; time counts from the start of the process. Each
winner is trained again with fresh seeds, so that luck in choosing is not counted as progress.

The space is spaces/regularization.py: nineteen parameters, and networks small enough for the
script to end some trials on a CPU within minutes; its sampler and its pruner both draw and keep
blindly until they have seen ten and five. In spaces/everything.py it would hardly get there. The
space's starting point is (c)'s alone: known good trials are part of the defaults, and the script
has no place for them. All parameters mean the same in all arms, and all trials have the same most
epochs.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.arms import ARMS, MAIN_ARMS, Task
from benchmarks.machine import hardware
from benchmarks.plain_network import check_known
from benchmarks.report import make_parser
from benchmarks.resplit import add_sizes, lay_out
from benchmarks.retraining import Retraining
from benchmarks.search_plot import check_can_plot, plot
from benchmarks.search_runs import Run, Shelf, run
from benchmarks.search_summary import show, summarise
from commands.arguments import seconds, whole
from commands.errors import exit_status
from mame_cnn.device import choose_device
from search.displays.progress import duration
from search.space import Space
from search.space.file import load_space


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, or what is missing of it."""
    options = _parser().parse_args(argv)
    space = load_space(options.space)
    check_known([*space.fixed, *(row.name for row in space.parameters)])
    device = choose_device(options.device)
    picture = options.plot or (options.json and options.json.with_suffix(".svg"))
    if picture:
        check_can_plot(picture)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        facts = _facts(options, space)
        shelf = Shelf(work, json.dumps(facts))
        task = _task(options, work)
        runs = _runs(options, task, shelf, console)
        retraining = Retraining.of(space, task, options.retrain, work / "cache")
        runs = _retrained(runs, retraining, shelf, console)
    summary = summarise(runs, 60 * options.minutes)
    show(summary)
    if options.json:
        report = {"hardware": hardware(device), **facts, **summary}
        report["runs"] = [asdict(one) for one in runs]
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if picture:
        plot(runs, 60 * options.minutes, picture)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("search", __doc__)
    add = parser.add_argument
    add("--data", required=True, metavar="DIR")
    add("--minutes", type=seconds, required=True, metavar="M", help="of each run")
    add("--seeds", type=whole(at_least=1), default=5, metavar="K", help="default: 5")
    add(
        "--epochs", type=whole(at_least=1), default=20, metavar="E", help="of a trial; default: 20"
    )
    add("--space", type=Path, default=Path("spaces/regularization.py"), metavar="SPACE.py")
    add("--image-size", type=whole(at_least=8), default=64, metavar="PX", help="default: 64")
    add_sizes(parser)
    add("--arms", nargs="+", choices=[*ARMS], default=[*MAIN_ARMS], metavar="ARM", help=_arms())
    add("--retrain", type=whole(at_least=0), default=3, metavar="K", help="seeds; default: 3")
    add("--device", default="auto")
    add("--loader-workers", type=whole(at_least=0), default=2, metavar="W", help="of the script")
    add("--work", type=Path, metavar="DIR", help="keeps runs; the same command again goes on")
    add("--plot", type=Path, metavar="FILE", help="default: beside the JSON, as .svg")
    return parser


def _arms() -> str:
    described = "; ".join(f"{name}: {arm.title}" for name, arm in ARMS.items())
    return f"{described} (default: {' '.join(MAIN_ARMS)})"


def _facts(options: argparse.Namespace, space: Space) -> dict[str, object]:
    """Return what must be equal for runs to be compared."""
    return {
        "data": Path(options.data).name,
        "n_train": options.train_images,
        "n_val": options.val_images,
        "image_size": options.image_size,
        "space": str(options.space),
        "space_digest": space.digest,
        "epochs": options.epochs,
        "minutes": options.minutes,
        "device": options.device,
        "loader_workers": options.loader_workers,
    }


def _task(options: argparse.Namespace, work: Path) -> Task:
    """Lay out the data, unless it is there, and return what all arms are given."""
    tree = work / "data"
    if not tree.exists():
        lay_out(options.data, options.train_images, options.val_images, tree)
    return Task(
        space=options.space,
        data=tree.resolve(),
        image_size=options.image_size,
        epochs=options.epochs,
        seconds=60 * options.minutes,
        device=options.device,
        n_loader_workers=options.loader_workers,
    )


def _runs(options: argparse.Namespace, task: Task, shelf: Shelf, console: Console) -> list[Run]:
    """Return all runs, made now or kept from before."""
    pairs = [(arm, seed) for seed in range(options.seeds) for arm in options.arms]
    kept = {pair: shelf.get(*pair) for pair in pairs}
    n_missing = sum(one is None for one in kept.values())
    console.print(f"{n_missing} runs to make, {duration(n_missing * task.seconds)} in all")
    runs = []
    for (arm, seed), one in kept.items():
        made = one or run(arm, seed, task, shelf.place(arm, seed))
        shelf.put(made)
        best = f"{made.curve[-1][1]:.1%}" if made.curve else "nothing"
        console.print(
            f"{arm}, seed {seed}: best {best}, {made.n_complete} complete, "
            f"{made.n_pruned} pruned, {made.n_epochs} epochs"
        )
        runs.append(made)
    return runs


def _retrained(
    runs: Sequence[Run], retraining: Retraining, shelf: Shelf, console: Console
) -> list[Run]:
    """Return the runs with their winners trained anew."""
    retrained = []
    for one in runs:
        again = retraining(one)
        shelf.put(again)
        scores = ", ".join(f"{accuracy:.1%}" for accuracy in again.retrained)
        console.print(f"{one.arm}, seed {one.seed}: trained again {scores or 'not'}")
        retrained.append(again)
    return retrained


if __name__ == "__main__":
    sys.exit(exit_status(main))
