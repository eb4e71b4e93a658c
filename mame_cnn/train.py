"""`python -m mame_cnn.train CONFIG.toml`: train one configuration to the end."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from rich.console import Console

from commands.errors import UserError, exit_status
from mame_cnn.config import Config
from mame_cnn.config_file import read_config
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.device_data import DeviceData, to_device
from mame_cnn.distributed import Ranks, joined, named_by_rank, said_by_the_first
from mame_cnn.distributed_training import check_alike, check_shareable, train_in_turn
from mame_cnn.environment import environment
from mame_cnn.final_training import Ending, Failed, FinalTraining, check_feasible
from mame_cnn.model_file import WEIGHTS, read_model
from mame_cnn.onnx_export import ONNX, check_installed, export
from mame_cnn.precision import choose_precision
from mame_cnn.run_folder import check_is_free, numbered, unfinished_run
from mame_cnn.run_keeper import RunKeeper
from mame_cnn.training_display import TrainingDisplay
from mame_cnn.training_of_many import train_all
from mame_cnn.training_plan import Plan, add_options, with_seed

EXAMPLES = """\
examples:
  python -m mame_cnn.train studies/regularization/best.toml
  python -m mame_cnn.train studies/regularization/best.toml --epochs 100 --seeds 3
  python -m mame_cnn.train studies/regularization/best.toml --data ~/mame --device cuda
  python -m mame_cnn.train studies/regularization/best.toml --train-on-val --ema 0.999
  torchrun --standalone --nproc-per-node 2 -m mame_cnn.train studies/regularization/best.toml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ranks = Ranks.of(os.environ)
    with said_by_the_first(ranks):
        options = _parser().parse_args(argv)
        config, provenance = read_config(options.config)
        if options.out is not None:
            check_is_free(options.out)
        if options.onnx:
            check_installed()
    options.quiet |= not ranks.is_first
    with named_by_rank(ranks):
        device = choose_device(ranks.device_name(options.device))
        precision = choose_precision(options.precision, device)
    with said_by_the_first(ranks):
        source = config.data.source if options.data is None else options.data
        dataset = load_dataset(source, config.data.image_size, progress=not options.quiet)
    run = _Run(options, provenance, dataset, device, precision, ranks)
    with named_by_rank(ranks), joined(ranks, device):
        return run.train(config)


@dataclass(frozen=True)
class _Run:
    """What the command has opened."""

    options: argparse.Namespace
    provenance: dict[str, Any]
    dataset: Dataset
    device: torch.device
    precision: torch.dtype
    ranks: Ranks

    def train(self, config: Config) -> int:
        """Train the configuration with every seed; return the command's exit status."""
        options, dataset = self.options, self.dataset
        plan = Plan.of(options)
        console = Console(quiet=options.quiet, highlight=False, markup=False, soft_wrap=True)
        for note in dataset.notes:
            console.print(note, markup=False)
        _warn_of_other_data(self.provenance, dataset, console)
        with said_by_the_first(self.ranks):
            config = plan.applied(config, dataset.source, self.provenance)
        configs = [with_seed(config, number) for number in range(options.seeds)]
        data = plan.data(to_device(dataset, self.device, precision=self.precision))
        with said_by_the_first(self.ranks):
            check_feasible(configs[:1], data)
            check_shareable(config, data, self.ranks, plan.cohort)
        check_alike(self.ranks, self._facts(config), self.device)
        names = [f"seed {number}" for number in range(1, options.seeds + 1)]
        display = TrainingDisplay(console, names, config.training.epochs)
        told = _Told(self.provenance, plan, console)
        endings = self._endings(configs, data, plan, display)
        if not self.ranks.is_first:
            for _ in endings:
                pass
            return 0  # what there is to say, the first one says
        with unfinished_run(_parent(options)) as staging, display.shown():
            keeper = RunKeeper(staging, dataset, self._environment(), plan.splits)
            for number, ending in endings:
                if isinstance(ending, Failed):
                    told.failed(ending, names[number])
                else:
                    places = _places(options, number)
                    folder = keeper.keep(configs[number], self.provenance, ending, places)
                    told.trained(ending, number, folder)
                    if options.onnx:
                        export(read_model(folder / WEIGHTS), folder / ONNX)
        return told.exit_status()

    def _endings(
        self, configs: Sequence[Config], data: DeviceData, plan: Plan, display: TrainingDisplay
    ) -> Iterator[tuple[int, Ending]]:
        """Yield the place of each configuration and what its training left."""
        if self.ranks.n == 1:
            return train_all(
                configs,
                data,
                cohort=plan.cohort_size(self.device),
                on_epoch=display.epoch,
                keeps_last=plan.uses_val,
            )
        return train_in_turn(
            configs, data, self.ranks, on_epoch=display.epoch, keeps_last=plan.uses_val
        )

    def _facts(self, config: Config) -> dict[str, str]:
        """Return what must be the same in all processes, which may run on several hosts."""
        return {
            "the configuration": config.digest,
            "the data": self.dataset.digest,
            "the precision": str(self.precision),
            "torch": torch.__version__,
        }

    def _environment(self) -> dict[str, str]:
        known = environment(self.device, self.precision)
        return known if self.ranks.n == 1 else {**known, "processes": str(self.ranks.n)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mame_cnn.train",
        description="Train one configuration to the end and keep its best epoch.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    add_options(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: runs/NAME-01 beside the file"
    )
    return parser


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


def _warn_of_other_data(provenance: dict[str, Any], dataset: Dataset, console: Console) -> None:
    searched = provenance.get("data_digest")
    if searched not in (None, dataset.digest):
        console.print(
            f"note: this configuration was found on data {searched}; "
            f"it is trained here on data {dataset.digest}",
            markup=False,
        )


@dataclass
class _Told:
    """What is told of the trainings, as they end and in the end."""

    provenance: Mapping[str, Any]
    plan: Plan
    console: Console
    accuracies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_interrupted: bool = False

    def trained(self, training: FinalTraining, number: int, folder: Path) -> None:
        """Tell of one that ended with weights to keep."""
        self.is_interrupted |= training.is_interrupted
        best = training.best
        if self.plan.uses_val:
            line = f"training accuracy {best.train_accuracy:.1%}; no images left to validate on"
        else:
            line = f"validation accuracy {best.val_accuracy:.1%}, loss {best.val_loss:.3f}"
            self.accuracies.append(best.val_accuracy)
        kept = "kept" if self.plan.uses_val else "best"
        self.console.print(f"{training.stopped_because}; {kept} epoch {best.epoch}\n{line}")
        searched = self.provenance.get("value")
        if number == 0 and not self.plan.uses_val and isinstance(searched, float):
            gap = 100 * (best.val_accuracy - searched)
            self.console.print(f"in the search it had {searched:.1%}: a gap of {gap:+.1f} points")
        self.console.print(f"written to {folder}", markup=False)

    def failed(self, failed: Failed, name: str) -> None:
        """Tell of one that left nothing of use."""
        self.is_interrupted |= failed.is_interrupted
        self.failures.append(f"{name}: {failed.reason}")

    def exit_status(self) -> int:
        """Tell of all together, and return how the command ends."""
        if len(self.accuracies) > 1:
            self.console.print(
                f"{len(self.accuracies)} seeds: validation accuracy {mean(self.accuracies):.1%}, "
                f"standard deviation {100 * stdev(self.accuracies):.1f} points"
            )
        if self.is_interrupted:
            return 130
        if self.failures:
            raise UserError("\n".join(self.failures))
        return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
