"""`python -m mame_cnn.ensemble DIR|CONFIG.toml...`: train the best, combine them, and prove it."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.combining.combiners import COMBINERS
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.data.metadata import WARNING
from mame_cnn.device import choose_device
from mame_cnn.ensembles.making import Making, Wishes
from mame_cnn.ensembles.members import Recipe, common_source, jobs, read_recipes
from mame_cnn.evaluate import evaluate_run
from mame_cnn.inputs.metadata_row import metadata_of
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import ENSEMBLE
from mame_cnn.models.onnx_export import ONNX, check_installed, export
from mame_cnn.models.opening import open_model
from mame_cnn.models.views import VIEWS
from mame_cnn.precision import choose_precision
from mame_cnn.runs.training_plan import AS_IT_SAYS, Plan, add_options

PLAIN = Wishes()
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
    choose_precision(options.precision, choose_device(options.device))
    folder = options.out or _default_folder(options.configs[0])
    _check_is_ours(folder)
    image_size = recipes[0].config.data.image_size
    dataset = load_dataset(source, image_size, progress=not options.quiet)
    try:
        make_ensemble(
            recipes,
            dataset,
            folder,
            seeds=options.seeds,
            plan=Plan.of(options),
            wishes=Wishes(options.combiner, options.tta, options.specialists),
            device=options.device,
            precision=options.precision,
            onnx=options.onnx,
            is_quiet=options.quiet,
        )
    except KeyboardInterrupt:
        print(
            "stopped; the same command goes on, members trained so far are kept", file=sys.stderr
        )
        return 130
    return 0


def make_ensemble(
    recipes: Sequence[Recipe],
    dataset: Dataset,
    folder: Path,
    *,
    seeds: int = 1,
    plan: Plan = AS_IT_SAYS,
    wishes: Wishes = PLAIN,
    device: str = "auto",
    precision: str = "auto",
    onnx: bool = False,
    is_quiet: bool = False,
) -> Ensemble:
    """Train every recipe with every seed, combine them as wins out of fold, and evaluate that.

    Members that lie in the folder already are not trained again. Raises `UserError` for what a
    user can mend; after Ctrl-C, the same call goes on.

    Args:
        folder: the ensemble's; it gets `members`, `ensemble.toml` and `evaluation`.
        onnx: write the ensemble as `model.onnx` as well.
    """
    if onnx:
        check_installed()
    _check_is_ours(folder)
    sees_metadata = any(metadata_of(recipe.config.network) != "none" for recipe in recipes)
    _check_can_be_made(recipes, plan, onnx=onnx, sees_metadata=sees_metadata)
    place = choose_device(device)
    dtype = choose_precision(precision, place)
    console = Console(quiet=is_quiet, highlight=False, soft_wrap=True)
    for note in dataset.notes:
        console.print(note, markup=False)
    if sees_metadata:
        console.print(WARNING, markup=False)
    making = Making(folder, dataset, place, dtype, plan, wishes, console)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            without_val = replace(plan, uses_val=False)
            making.make(jobs(recipes, without_val, dataset.source, seeds))
            ensemble = open_model(folder)
            assert isinstance(ensemble, Ensemble), "its file has just been written"
            if onnx:
                export(ensemble, folder / ONNX)
            evaluate_run(
                folder,
                data=dataset.source,
                device=device,
                precision=precision,
                is_quiet=is_quiet,
            )
    except Timeout:
        raise UserError(f"{folder}: another process is making this ensemble") from None
    return ensemble


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


def _check_can_be_made(
    recipes: Sequence[Recipe], plan: Plan, *, onnx: bool, sees_metadata: bool
) -> None:
    """Raise `UserError` for what is known to fail once members are trained."""
    reasons = {recipe.name: plan.refused(recipe.config) for recipe in recipes}
    faults = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    if onnx and sees_metadata:
        faults.append("--onnx: a network that sees metadata takes more than images")
    if faults:
        raise UserError("\n".join(faults))


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
