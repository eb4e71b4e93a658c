"""Training of a configuration with every seed, each kept as a run's folder.

What `mame_cnn.train` does once it has read its files, and what a notebook calls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from rich.console import Console

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.network import Network
from mame_cnn.configuration.pretrained import Pretrained, Trained
from mame_cnn.data.balance import imbalance, treatment
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.metadata import WARNING
from mame_cnn.device import choose_device
from mame_cnn.distribution.processes import ALONE, Ranks, said_by_the_first
from mame_cnn.environment import environment
from mame_cnn.inputs.device_data import DeviceData, to_device
from mame_cnn.inputs.metadata_row import metadata_of
from mame_cnn.models.model_file import WEIGHTS, read_model
from mame_cnn.models.onnx_export import ONNX, check_installed, export
from mame_cnn.precision import choose_precision
from mame_cnn.runs.distributed_training import check_alike, check_shareable, train_in_turn
from mame_cnn.runs.final_training import Ending, Failed, FinalTraining, check_feasible
from mame_cnn.runs.run_folder import check_is_free, numbered, unfinished_run
from mame_cnn.runs.run_keeper import RunKeeper
from mame_cnn.runs.training_display import TrainingDisplay
from mame_cnn.runs.training_of_many import train_all
from mame_cnn.runs.training_plan import AS_IT_SAYS, Plan, with_seed

FROM_NOWHERE: Mapping[str, Any] = {}


def train_runs(
    config: Config,
    dataset: Dataset,
    out: Path,
    *,
    seeds: int = 1,
    plan: Plan = AS_IT_SAYS,
    device: str = "auto",
    precision: str = "auto",
    provenance: Mapping[str, Any] = FROM_NOWHERE,
    onnx: bool = False,
    is_quiet: bool = False,
) -> tuple[Path, ...]:
    """Train a configuration with every seed; return the folders of the runs.

    Raises `UserError` for what a user can mend, and for seeds that failed once all others are
    kept; `KeyboardInterrupt` once what Ctrl-C interrupted is kept, `DeviceError`, which ends a
    process, once that is kept which a GPU's failure interrupted.

    Args:
        out: the run's folder; of several seeds the folder of their runs, `seed-01` and so on.
        provenance: where the configuration comes from, kept with it.
        onnx: write each model as `model.onnx` as well.
    """
    check_is_free(out)
    if onnx:
        check_installed()
    place = choose_device(device)
    runs = TrainingOfRuns(
        dataset,
        place,
        choose_precision(precision, place),
        plan=plan,
        parent=out.parent if seeds == 1 else out,
        places=lambda number: places_of(out, number, seeds),
        seeds=seeds,
        provenance=provenance,
        onnx=onnx,
        console=Console(quiet=is_quiet, highlight=False, markup=False, soft_wrap=True),
    )
    told = runs.train(config)
    if told.exit_status():
        raise KeyboardInterrupt
    return tuple(told.folders)


def places_of(out: Path, number: int, seeds: int) -> Iterator[Path]:
    """Yield where the run of a seed, counted from 0, may go, the wanted place first."""
    wanted = out if seeds == 1 else out / f"seed-{number + 1:02d}"
    return chain([wanted], numbered(wanted.parent, f"{wanted.name}-again"))


@dataclass(frozen=True)
class TrainingOfRuns:
    """How one configuration is trained, and where its runs go."""

    dataset: Dataset
    device: torch.device
    precision: torch.dtype
    plan: Plan
    parent: Path
    """The folder in which the runs' folders are made."""
    places: Callable[[int], Iterator[Path]]
    """Yields where the run of a seed, counted from 0, may go."""
    seeds: int
    provenance: Mapping[str, Any]
    onnx: bool
    console: Console
    ranks: Ranks = ALONE

    def train(self, config: Config) -> "Told":
        """Train the configuration with every seed, keeping each run as soon as it ended."""
        dataset, plan, console = self.dataset, self.plan, self.console
        for note in dataset.notes:
            console.print(note, markup=False)
        _warn_of_other_data(self.provenance, dataset, console)
        _tell_of_imbalance(config, dataset, console)
        if metadata_of(config.network) != "none":
            if self.onnx:
                raise UserError("--onnx: a network that sees metadata takes more than images")
            console.print(WARNING, markup=False)
        _warn_of_backbone(config.network, dataset, console)
        with said_by_the_first(self.ranks):
            config = plan.applied(config, dataset.source)
            kept_epoch = plan.kept_epoch(config, self.provenance)
        n_epochs = kept_epoch or config.training.epochs
        configs = [with_seed(config, number) for number in range(self.seeds)]
        data = plan.data(to_device(dataset, self.device, precision=self.precision))
        with said_by_the_first(self.ranks):
            check_feasible(configs[:1], data)
            check_shareable(config, data, self.ranks, plan.cohort)
        check_alike(self.ranks, self._facts(config, n_epochs), self.device)
        names = [f"seed {number}" for number in range(1, self.seeds + 1)]
        display = TrainingDisplay(console, names, n_epochs)
        told = Told(self.provenance, plan, console, dataset.digest)
        endings = self._endings(configs, [kept_epoch] * self.seeds, data, display)
        if not self.ranks.is_first:
            for _ in endings:
                pass
            return told  # what there is to say, the first one says
        with unfinished_run(self.parent) as staging, display.shown():
            keeper = RunKeeper(staging, dataset, self._environment(), plan.splits)
            for number, ending in endings:
                if isinstance(ending, Failed):
                    told.failed(ending, names[number])
                else:
                    places = self.places(number)
                    folder = keeper.keep(configs[number], self.provenance, ending, places)
                    told.trained(ending, number, folder)
                    if self.onnx:
                        export(read_model(folder / WEIGHTS), folder / ONNX)
        return told

    def _endings(
        self,
        configs: Sequence[Config],
        kept_epochs: Sequence[int | None],
        data: DeviceData,
        display: TrainingDisplay,
    ) -> Iterator[tuple[int, Ending]]:
        """Yield the place of each configuration and what its training left."""
        if self.ranks.n == 1:
            return train_all(
                configs,
                data,
                cohort=self.plan.cohort_size(self.device),
                on_epoch=display.epoch,
                kept_epochs=kept_epochs,
            )
        return train_in_turn(
            configs, data, self.ranks, on_epoch=display.epoch, kept_epochs=kept_epochs
        )

    def _facts(self, config: Config, n_epochs: int) -> dict[str, str]:
        """Return what must be the same in all processes, which may run on several hosts."""
        return {
            "the configuration": config.digest,
            "the number of epochs": str(n_epochs),
            "the data": self.dataset.digest,
            "the precision": str(self.precision),
            "torch": torch.__version__,
        }

    def _environment(self) -> dict[str, str]:
        known = environment(self.device, self.precision)
        return known if self.ranks.n == 1 else {**known, "processes": str(self.ranks.n)}


def _warn_of_other_data(provenance: Mapping[str, Any], dataset: Dataset, console: Console) -> None:
    searched = provenance.get("data_digest")
    if searched not in (None, dataset.digest):
        console.print(
            f"note: this configuration was found on data {searched}; "
            f"it is trained here on data {dataset.digest}",
            markup=False,
        )


def _warn_of_backbone(network: Network, dataset: Dataset, console: Console) -> None:
    """Say so where the network's backbone was trained on the images that are to judge it."""
    backbone = network.backbone if isinstance(network, Pretrained) else None
    seen = backbone.seen_val if isinstance(backbone, Trained) else None
    if seen and seen.is_of(dataset.name, dataset.digest, dataset.image_size):
        console.print(
            "network.backbone: trained on these validation images, so accuracies on them are far "
            "too good",
            markup=False,
        )


def _tell_of_imbalance(config: Config, dataset: Dataset, console: Console) -> None:
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.classes)).tolist()
    if uneven := imbalance(dataset.classes, counts):
        console.print(f"note: {uneven}\n{treatment(config.training)}", markup=False)


@dataclass
class Told:
    """What is told of the trainings, as they end and in the end."""

    provenance: Mapping[str, Any]
    plan: Plan
    console: Console
    data_digest: str
    folders: list[Path] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_interrupted: bool = False

    def trained(self, training: FinalTraining, number: int, folder: Path) -> None:
        """Tell of one that ended with weights to keep."""
        self.folders.append(folder)
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
            self.console.print(self._beside(searched, best.val_accuracy))
        self.console.print(f"written to {folder}", markup=False)

    def _beside(self, searched: float, trained: float) -> str:
        """Return what the search found beside what training gives, as far as they compare."""
        if self.provenance.get("data_digest") not in (None, self.data_digest):
            return f"in the search, on other data, it had {searched:.1%}"
        gap = 100 * (trained - searched)
        why = "; another number of threads or of networks in a cohort rounds otherwise"
        differs = self.plan == AS_IT_SAYS and round(gap, 1) != 0
        return f"in the search it had {searched:.1%}: a gap of {gap:+.1f} points" + why * differs

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
