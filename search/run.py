"""`python -m search.run SPACE.py`: search a space, the command that joins the two halves.

This is the composition root, the only file of this package that imports `mame_cnn`: it makes
a trainer of networks and hands it to the engine, which knows no networks.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from commands.arguments import seconds, whole
from commands.errors import UserError, exit_status
from mame_cnn.data.load import find_source, load_dataset
from mame_cnn.device import choose_device
from mame_cnn.parameters import space_faults
from mame_cnn.trainer import ImageTrainer
from search.display import make_display
from search.drawing import check_trainable
from search.engine import search
from search.export import default_path, train_command
from search.outcome import Outcome
from search.progress import percent
from search.pruners import PRUNERS, make_pruner
from search.samplers import SAMPLERS, make_sampler
from search.space import Choice, Parameter, Space, Value
from search.space_file import load_space
from search.storage import DEFAULT_STORAGE, Place, open_storage
from search.study import check_name, open_study

DEFAULT_TRIALS = 50
MAX_VALUES = 1000
"""Values of a range that are all checked beforehand; of more, the ends are."""
DEFAULT_ARTIFACTS = Path("studies/artifacts")

EXAMPLES = """\
examples:
  python -m search.run spaces/regularization.py --trials 50
  python -m search.run spaces/regularization.py --trials 80      continue the same study
  python -m search.run spaces/capacity.py --data ~/mame --image-size 64 --device cuda
  python -m search.run spaces/dropout.py --sampler grid --study dropout-mame
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    name = options.space.stem if options.study is None else options.study
    check_name(name)
    space = load_space(options.space)
    check_parameters(space, options.space)
    trainer = _trainer(space, options)
    check_trainable(space, trainer.infeasible)
    sampler_name = options.sampler or _fitting_sampler(space)
    sampler = make_sampler(sampler_name, space, trainer.infeasible, options.seed)
    pruner = make_pruner(options.pruner, trainer.epochs)
    options.artifacts.mkdir(parents=True, exist_ok=True)
    place = open_storage(options.storage)
    opened = open_study(place, name, space, trainer)
    n_expected = options.trials
    if sampler_name == "grid":  # which ends with its last point
        n_expected = min(n_expected, space.n_grid_points() or n_expected)
    display = make_display(opened.name, n_expected, trainer.epochs, is_quiet=options.quiet)
    try:
        outcome = search(
            opened,
            trainer,
            total=options.trials,
            sampler=sampler,
            pruner=pruner,
            seed=options.seed,
            display=display,
            timeout_s=options.timeout,
        )
    except KeyboardInterrupt:
        print("stopped; the same command continues the study", file=sys.stderr)
        return 130
    _summarise(outcome, opened.name, place, options.artifacts)
    return 0 if outcome.is_finished else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.run",
        description="Search a space of networks; the same command again continues the study.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("space", type=Path, metavar="SPACE.py", help="a Python file, and run as such")
    add(
        "--trials",
        type=whole(at_least=1),
        default=DEFAULT_TRIALS,
        metavar="N",
        help=f"the study's total, however many runs it takes (default: {DEFAULT_TRIALS})",
    )
    add("--study", metavar="NAME", help="default: the space file's name")
    add(
        "--data",
        metavar="DIR|digits",
        help="default: $MAME_DATA, then data/mame, then the embedded digits",
    )
    add("--image-size", type=int, metavar="PX", help="default: 256; 32 for the digits")
    add("--epochs", type=whole(at_least=1), metavar="E", help="default: the space's")
    add("--storage", default=DEFAULT_STORAGE, metavar="PATH|URL", help="default: %(default)s")
    add(
        "--artifacts",
        type=Path,
        default=DEFAULT_ARTIFACTS,
        metavar="DIR",
        help="made for files of trials, of which there are none yet (default: %(default)s)",
    )
    add(
        "--sampler",
        choices=SAMPLERS,
        help=f"default: tpe; grid for a space of at most {DEFAULT_TRIALS} points",
    )
    add("--pruner", choices=PRUNERS, default=PRUNERS[0], help="default: %(default)s")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    add("--seed", type=whole(at_least=0), default=0, metavar="S", help="default: 0")
    add("--timeout", type=seconds, metavar="SECONDS", help="stop at an epoch's end")
    add("--quiet", action="store_true", help="print the outcome only")
    return parser


def _trainer(space: Space, options: argparse.Namespace) -> ImageTrainer:
    device = choose_device(options.device)
    dataset = load_dataset(
        find_source(options.data), options.image_size, progress=not options.quiet
    )
    console = Console(quiet=options.quiet, highlight=False, markup=False)
    for note in dataset.notes:
        console.print(note, soft_wrap=not console.is_terminal)
    return ImageTrainer(
        dataset,
        epochs=options.epochs or space.epochs,
        data_seed=options.seed,
        device=device,
    )


def _fitting_sampler(space: Space) -> str:
    """Return the grid for a space that can be tried whole, else the default sampler.

    Not by --trials: a study that is continued with more of them keeps its sampler.
    """
    n_points = space.n_grid_points()
    return "grid" if n_points is not None and n_points <= DEFAULT_TRIALS else SAMPLERS[0]


def check_parameters(space: Space, path: Path) -> None:
    """Raise `UserError` for parameters that networks do not have, before any data is read."""
    values: dict[str, Sequence[Value]] = {name: [value] for name, value in space.fixed.items()}
    values |= {parameter.name: _values(parameter) for parameter in space.parameters}
    if messages := space_faults(values):
        raise UserError("\n  ".join([f"{path}: the networks cannot have this:", *messages]))


def _values(parameter: Parameter) -> Sequence[Value]:
    """Return all that a parameter may be if that is not much, else the ends of its range."""
    n_values = parameter.n_values()
    if isinstance(parameter, Choice) or (n_values is not None and n_values <= MAX_VALUES):
        return parameter.grid() or ()
    return parameter.low, parameter.high


def _summarise(outcome: Outcome, study: str, place: Place, artifacts: Path) -> None:
    """Print the best trial, its parameters and what to do next, ready to paste."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    standing, best = outcome.standing, outcome.best
    console.print()
    console.print(outcome.message)
    console.print(
        f"{standing.n_complete} complete, {standing.n_pruned} pruned, {standing.n_failed} failed"
    )
    if best is None:
        return
    console.print(
        f"best: trial {best.number}, validation accuracy {percent(best.value)} %",
        style="bold green",
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2), show_header=False)
    for name, value in best.params.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    console.print("\nnext:")
    for command in (
        shlex.join(["optuna-dashboard", place.given, "--artifact-dir", str(artifacts)]),
        shlex.join(["python", "-m", "search.export", study]) + place.option,
        train_command(default_path(place, study)),
    ):
        console.print(f"  {command}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
