"""`python -m mame_cnn.ensemble DIR|CONFIG.toml...`: train the best, combine them, and prove it."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn import evaluate
from mame_cnn.combining.combiners import COMBINERS
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.ensemble_file import ENSEMBLE
from mame_cnn.ensemble_making import Making
from mame_cnn.ensemble_members import common_source, jobs, read_recipes
from mame_cnn.evaluate import EVALUATION
from mame_cnn.onnx_export import ONNX, check_installed, export
from mame_cnn.opening import open_model
from mame_cnn.precision import choose_precision
from mame_cnn.training_plan import Plan, add_options
from mame_cnn.views import VIEWS

EXAMPLES = """\
examples:
  python -m mame_cnn.ensemble studies/regularization/top --seeds 2
  python -m mame_cnn.ensemble studies/regularization/top --seeds 3 --tta auto --specialists
  python -m mame_cnn.ensemble a.toml b.toml --data ~/mame --epochs 60 --out ensembles/mame
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    if options.onnx:
        check_installed()
    recipes = read_recipes(options.configs)
    source = options.data or common_source(recipes)
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    folder = options.out or _default_folder(options.configs[0])
    _check_is_ours(folder)
    image_size = recipes[0].config.data.image_size
    dataset = load_dataset(source, image_size, progress=not options.quiet)
    console = Console(quiet=options.quiet, highlight=False, soft_wrap=True)
    for note in dataset.notes:
        console.print(note, markup=False)
    plan = Plan.of(options)
    making = Making(folder, dataset, device, precision, plan, options, console)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            without_val = replace(plan, uses_val=False)
            making.make(jobs(recipes, without_val, dataset.source, options.seeds))
            _report(folder, dataset.source, options)
    except Timeout:
        raise UserError(f"{folder}: another process is making this ensemble") from None
    except KeyboardInterrupt:
        print(
            "stopped; the same command goes on, members trained so far are kept", file=sys.stderr
        )
        return 130
    return 0


def _report(folder: Path, source: str, options: argparse.Namespace) -> None:
    """Evaluate the ensemble on validation, out of fold, in place of what an earlier one had."""
    if options.onnx:
        export(open_model(folder), folder / ONNX)
    shutil.rmtree(folder / EVALUATION, ignore_errors=True)
    evaluate.main(
        [
            *(str(folder), "--data", source),
            *("--device", options.device, "--precision", options.precision),
            *(["--quiet"] if options.quiet else []),
        ]
    )


def _default_folder(first: Path) -> Path:
    """Return `ensemble` beside a folder of configurations, or beside the first file."""
    return (first.resolve() if first.is_dir() else first).parent / "ensemble"


def _check_is_ours(folder: Path) -> None:
    """Raise `UserError` for a folder with something in it that no ensemble has."""
    if not folder.exists():
        return
    known = {"members", ENSEMBLE, ".lock"}
    if not folder.is_dir() or (
        any(folder.iterdir()) and not known & {path.name for path in folder.iterdir()}
    ):
        raise UserError(f"--out {folder}: exists and is no ensemble's; nothing is overwritten")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.ensemble",
        description="Train configurations with several seeds, combine them on validation, and "
        "report out of fold what that is worth. Members trained already are not trained again.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("configs", type=Path, nargs="+", metavar="DIR|CONFIG.toml")
    add_options(parser)
    add(
        "--combiner",
        choices=[*COMBINERS],
        help="default: the one that is right most often out of fold",
    )
    add(
        "--tta",
        choices=[*VIEWS, "auto"],
        default="none",
        help="look at each image several times; auto: as wins out of fold (default: none)",
    )
    add(
        "--specialists",
        type=whole(at_least=2),
        nargs="?",
        const=0,
        metavar="GROUPS",
        help="also train a network that tells groups of confused classes apart and one within "
        "each; kept only if that wins out of fold (default: as many groups as confusions show)",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="default: ensemble/ beside the folder of configurations",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
