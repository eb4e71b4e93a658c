"""`python -m mame_cnn.train CONFIG.toml`: train one configuration to the end."""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.config import Config
from mame_cnn.config_file import read_config
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.device_data import DeviceData, to_device
from mame_cnn.environment import environment
from mame_cnn.final_training import FinalTraining, train_to_the_end
from mame_cnn.free_memory import give_back
from mame_cnn.precision import choose_precision
from mame_cnn.progress import EpochResult
from mame_cnn.run_folder import RunFiles, check_is_free, numbered, place_run, unfinished_run
from mame_cnn.seeds import derive_seed

EXAMPLES = """\
examples:
  python -m mame_cnn.train studies/regularization/best.toml
  python -m mame_cnn.train studies/regularization/best.toml --epochs 100 --seeds 3
  python -m mame_cnn.train studies/regularization/best.toml --data ~/mame --device cuda
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    config, provenance = read_config(options.config)
    if options.out is not None:
        check_is_free(options.out)
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    source = config.data.source if options.data is None else options.data
    dataset = load_dataset(source, config.data.image_size, progress=not options.quiet)
    console = Console(quiet=options.quiet, highlight=False, soft_wrap=True)
    for note in dataset.notes:
        console.print(note, markup=False)
    _warn_of_other_data(provenance, dataset, console)
    config = _with_options(config, dataset.source, options.epochs)
    data = to_device(dataset, device, precision=precision)
    accuracies = []
    for number in range(options.seeds):
        seeded = _with_seed(config, number)
        with unfinished_run(_parent(options)) as unfinished:
            training = _train(seeded, data, console)
            trained = _trained(dataset, environment(device, precision), training)
            files = RunFiles(seeded, training, dataset, {**provenance, "training": trained})
            folder = _keep(files, unfinished, _places(options, number))
        searched = provenance.get("value") if number == 0 else None
        _summarise(training, searched, folder, console)
        accuracies.append(training.best.val_accuracy)
        give_back(device)
        if training.is_interrupted:
            return 130
    if len(accuracies) > 1:
        console.print(
            f"{len(accuracies)} seeds: validation accuracy {mean(accuracies):.1%}, "
            f"standard deviation {100 * stdev(accuracies):.1f} points"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.train",
        description="Train one configuration to the end and keep its best epoch.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--data", metavar="DIR|digits", help="default: what the file names")
    parser.add_argument("--epochs", type=whole(at_least=1), help="default: what the file says")
    parser.add_argument(
        "--seeds", type=whole(at_least=1), default=1, metavar="K", help="train K times"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    parser.add_argument(
        "--precision",
        default="auto",
        help="auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware has it)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: runs/NAME-01 beside the file"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser


def _with_options(config: Config, source: str, epochs: int | None) -> Config:
    """Return the configuration with what the command line says of it."""
    content = config.model_dump(mode="json")
    content["data"]["source"] = source
    if epochs is not None:
        content["training"]["epochs"] = epochs
    return Config.model_validate(content)


def _with_seed(config: Config, number: int) -> Config:
    """Return the configuration as it is first, then with derived seeds."""
    seed = config.seed if number == 0 else derive_seed(config.seed, "repetition", number)
    return config.model_copy(update={"seed": seed})


def _parent(options: argparse.Namespace) -> Path:
    """Return the folder in which the runs' folders are made."""
    config: Path = options.config
    out: Path | None = options.out
    if out is None:
        return config.parent / "runs"
    return out.parent if options.seeds == 1 else out


def _places(options: argparse.Namespace, number: int) -> Iterator[Path]:
    """Yield where a run may go, the wanted place first."""
    if options.out is None:
        return numbered(_parent(options), options.config.stem)
    wanted = options.out if options.seeds == 1 else options.out / f"seed-{number + 1:02d}"
    return chain([wanted], numbered(wanted.parent, f"{wanted.name}-again"))


def _keep(files: RunFiles, unfinished: Path, places: Iterable[Path]) -> Path:
    """Write a run and put it into its place; what the disk has no room for is kept elsewhere."""
    try:
        files.write(unfinished)
    except OSError as error:
        rescue = Path(tempfile.mkdtemp(prefix="run-"))
        files.write(rescue)
        raise UserError(
            f"{unfinished.parent}: {error.strerror}; the finished run is kept in {rescue}"
        ) from error
    return place_run(unfinished, places)


def _trained(
    dataset: Dataset, versions: dict[str, str], training: FinalTraining
) -> dict[str, Any]:
    """Return the provenance of this training, beside that of the search."""
    return {
        "data_name": dataset.name,
        "data_source": dataset.source,
        "data_digest": dataset.digest,
        "best_epoch": training.best.epoch,
        "val_accuracy": training.best.val_accuracy,
        "environment": versions,
    }


def _warn_of_other_data(provenance: dict[str, Any], dataset: Dataset, console: Console) -> None:
    searched = provenance.get("data_digest")
    if searched not in (None, dataset.digest):
        console.print(
            f"note: this configuration was found on data {searched}; "
            f"it is trained here on data {dataset.digest}",
            markup=False,
        )


def _train(config: Config, data: DeviceData, console: Console) -> FinalTraining:
    """Train with a progress bar on a terminal and a line an epoch elsewhere."""
    epochs = config.training.epochs
    progress = Progress(
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task("", total=epochs)
        best = 0.0

        def show(result: EpochResult) -> None:
            nonlocal best
            best = max(best, result.val_accuracy)
            line = (
                f"train {result.train_accuracy:6.1%}  val {result.val_accuracy:6.1%}  "
                f"best {best:6.1%}  {result.images_per_s:,.0f} images/s"
            )
            progress.update(task, advance=1, description=line)
            if not console.is_terminal:
                console.print(f"epoch {result.epoch}/{epochs}  {line}")

        return train_to_the_end(config, data, show)


def _summarise(training: FinalTraining, searched: object, folder: Path, console: Console) -> None:
    best = training.best
    console.print(f"{training.stopped_because}; best epoch {best.epoch}")
    console.print(f"validation accuracy {best.val_accuracy:.1%}, loss {best.val_loss:.3f}")
    if isinstance(searched, float):
        gap = 100 * (best.val_accuracy - searched)
        console.print(f"in the search it had {searched:.1%}: a gap of {gap:+.1f} points")
    console.print(f"written to {folder}", markup=False)


if __name__ == "__main__":
    sys.exit(exit_status(main))
