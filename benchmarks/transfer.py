"""`python -m benchmarks.transfer`: do weights learnt on one task help on another with few images?

A plain network learns one half of the classes, another data set (--source), or by how much each
training image is turned (--source rotations; Gidaris et al. 2018, arXiv 1803.07728: such a task
needs no labels). It is then moved to the other half, or to all classes, of which only some
training images a class are given:

scratch   the same network, every weight drawn at random
head      a new head on the frozen network
unfrozen  the same head; after a third of the epochs the last block is trained too, after two
          thirds all blocks

Each seed draws other images and first weights, the same images for all three, so that differences
are paired. Accuracies are those of the best epoch in validation, for all alike; the test split
stays closed.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan, sqrt
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t as student

from benchmarks.report import Columns, Result, make_parser, publish
from commands.arguments import whole
from commands.errors import UserError, exit_status
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Value
from mame_cnn.data.dataset import Dataset, Split, mean_and_std
from mame_cnn.data.load import load_dataset
from mame_cnn.device import choose_device
from mame_cnn.inputs.device_data import to_device
from mame_cnn.models.model_file import write_model
from mame_cnn.runs.final_training import FinalTraining, train_to_the_end
from mame_cnn.runs.run_folder import RunFiles
from mame_cnn.seeds import derive_seed

Integers = npt.NDArray[np.int64]
ARMS = ("scratch", "head", "unfrozen")
ROTATIONS = "rotations"
NETWORK: Mapping[str, Value] = {
    # The blocks of MAMe experiment 6, with the pooling that heads on backbones have.
    "depth": 4,
    "width": 16,
    "head": "average",
    "dense_depth": 1,
    "dense_width": 64,
    "lr": 1e-3,
}
HEAD: Mapping[str, Value] = {
    "family": "pretrained",
    "from_scratch": "false",
    "backbone": "trained",
    "head": "average",
    "dense_depth": 0,
    "lr": 1e-2,  # of a linear map on normalised features alone
    "patience_on": "loss",
}
_UNFROZEN_LRS = (1e-3, 3e-4)  # that of `scratch`, and a third of it for early blocks
COLUMNS: Columns = {
    "training": lambda result: result["arm"],
    "seeds": lambda result: str(len(result["accuracies"])),
    "validation accuracy": lambda result: f"{mean(result['accuracies']):.1%}",
    "sd": lambda result: f"{_deviation(result['accuracies']):.1%}",
    "gain over scratch": lambda result: f"{100 * result['gain']:+.1f} points",
    "95 % interval": lambda result: f"{100 * result['low']:+.1f} to {100 * result['high']:+.1f}",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(argv)
    device = choose_device(options.device)
    data = load_dataset(options.data, options.image_size, progress=False)
    if options.source == ROTATIONS:
        source, target = rotated(data), data
    elif options.source is None:
        n_first = len(data.classes) // 2
        source, target = (
            subset(data, range(n_first)),
            subset(data, range(n_first, len(data.classes))),
        )
    else:
        source = load_dataset(options.source, data.image_size, progress=False)
        target = data
    with tempfile.TemporaryDirectory() as folder:
        task = Task(
            *(source, target, options.per_class, options.epochs, options.batch),
            *(device, Path(folder)),
        )
        accuracies = task.accuracies(options.seeds)
    results = summarised(accuracies)
    publish(
        results,
        device=device,
        title=f"{options.per_class} training images a class, {len(target.classes)} classes",
        columns=COLUMNS,
        path=options.json,
        lines=[
            f"source: {len(source.train.labels):,} training images of {len(source.classes)} "
            f"classes of {source.name}, {task.source_accuracy:.1%} in validation"
        ],
    )
    return 0


@dataclass
class Task:
    """What is learnt before, and what is to be learnt from few images."""

    source: Dataset
    target: Dataset
    per_class: int
    epochs: int
    batch_size: int
    device: torch.device
    folder: Path
    source_accuracy: float = nan

    def accuracies(self, n_seeds: int) -> dict[str, list[float]]:
        """Return the validation accuracies of each arm, a seed each."""
        weights = self.folder / "source.safetensors"
        before = self._config(NETWORK, self.source, 0)
        trained = self._trained(before, self.source)
        self.source_accuracy = trained.best.val_accuracy
        write_model(weights, RunFiles(before, trained, self.source, {}).model)
        head = {**HEAD, "weights": str(weights)}
        arms = {"scratch": NETWORK, "head": head, "unfrozen": {**head, **self._steps()}}
        found: dict[str, list[float]] = {arm: [] for arm in ARMS}
        for number in range(n_seeds):
            seed = derive_seed("transfer benchmark", number)
            few = fewer(self.target, self.per_class, seed)
            for arm, params in arms.items():
                config = self._config(params, few, seed)
                found[arm].append(self._trained(config, few).best.val_accuracy)
        return found

    def _steps(self) -> dict[str, Value]:
        third, depth = self.epochs // 3, int(NETWORK["depth"])
        last, everything = _UNFROZEN_LRS
        return {
            "unfreeze_steps": 2,
            "unfreeze_after_epochs_1": third,
            "unfreeze_from_block_1": depth,
            "unfreeze_lr_1": last,
            "unfreeze_after_epochs_2": 2 * third,
            "unfreeze_from_block_2": 1,
            "unfreeze_lr_2": everything,
        }

    def _config(self, params: Mapping[str, Value], data: Dataset, seed: int) -> Config:
        return config_from_params(
            {**params, "batch_size": self.batch_size},
            source=data.source,
            image_size=data.image_size,
            epochs=self.epochs,
            seed=seed,
            data_seed=seed,
        )

    def _trained(self, config: Config, data: Dataset) -> FinalTraining:
        return train_to_the_end(config, to_device(data, self.device), lambda _: None)


def subset(data: Dataset, classes: Sequence[int]) -> Dataset:
    """Return the images of some classes as a data set of its own."""
    chosen = list(classes)
    if len(chosen) < 2:
        raise UserError(f"--data: {len(data.classes)} classes cannot be halved; give --source")

    def of_classes(split: Split) -> Split:
        rows = np.flatnonzero(np.isin(split.labels, chosen))
        return _rows(split, rows, np.searchsorted(chosen, split.labels[rows]))

    names = tuple(data.classes[label] for label in chosen)
    return _described(
        replace(data, classes=names, train=of_classes(data.train), val=of_classes(data.val))
    )


def rotated(data: Dataset) -> Dataset:
    """Return every image in four positions, its class being the number of quarter turns."""

    def turned(split: Split) -> Split:
        n_images = len(split.labels)
        images = [np.rot90(split.images, n_turns, axes=(1, 2)) for n_turns in range(4)]
        return Split(
            images=np.ascontiguousarray(np.concatenate(images)),
            labels=np.repeat(np.arange(4, dtype=np.int64), n_images),
            names=tuple(f"{name} {n_turns}" for n_turns in range(4) for name in split.names),
        )

    classes = tuple(f"{90 * n_turns} degrees" for n_turns in range(4))
    return _described(
        replace(data, classes=classes, train=turned(data.train), val=turned(data.val))
    )


def fewer(data: Dataset, per_class: int, seed: int) -> Dataset:
    """Return the data set with so many training images of each class, chosen by the seed."""
    random = np.random.default_rng(seed)
    rows = []
    for label, name in enumerate(data.classes):
        own = np.flatnonzero(data.train.labels == label)
        if len(own) < per_class:
            raise UserError(
                f"--per-class: {name} has {len(own)} training images, fewer than {per_class}"
            )
        rows.append(random.choice(own, per_class, replace=False))
    together = np.sort(np.concatenate(rows))
    return _described(
        replace(data, train=_rows(data.train, together, data.train.labels[together]))
    )


def summarised(accuracies: Mapping[str, Sequence[float]]) -> list[Result]:
    """Return a row an arm, with its gain over `scratch` and the t interval of that gain."""
    results = []
    for arm in ARMS:
        gains = [
            own - other for own, other in zip(accuracies[arm], accuracies["scratch"], strict=True)
        ]
        error = _deviation(gains) / sqrt(len(gains))
        half = error * float(student.ppf(0.975, max(1, len(gains) - 1)))
        gain = mean(gains)
        results.append(
            {
                "arm": arm,
                "accuracies": list(accuracies[arm]),
                "gain": gain,
                "low": gain - half,
                "high": gain + half,
            }
        )
    return results


def _deviation(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else nan


def _rows(split: Split, rows: Integers, labels: Integers) -> Split:
    museums = tuple(split.museums[row] for row in rows) if split.museums else ()
    return Split(
        images=np.ascontiguousarray(split.images[rows]),
        labels=labels.astype(np.int64),
        names=tuple(split.names[row] for row in rows),
        museums=museums,
    )


def _described(data: Dataset) -> Dataset:
    """Return a data set with the mean and deviation of its own training images.

    It has no digest: what is computed of so few images need not be kept.
    """
    levels = np.stack(
        [
            np.bincount(data.train.images[..., channel].reshape(-1), minlength=256)
            for channel in range(data.channels)
        ]
    ).astype(np.int64)
    means, stds = mean_and_std(levels)
    return replace(data, mean=means, std=stds, digest="")


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("transfer", __doc__)
    add = parser.add_argument
    add("--data", default="digits", metavar="DIR|digits", help="default: digits")
    add(
        "--source",
        metavar="DIR|digits|rotations",
        help="learnt before (default: half of the classes)",
    )
    add("--image-size", type=whole(at_least=16), metavar="PX", help="default: 32 or 256")
    add("--per-class", type=whole(at_least=2), default=50, metavar="N", help="default: 50")
    add("--seeds", type=whole(at_least=2), default=5, metavar="K", help="default: 5")
    add("--epochs", type=whole(at_least=3), default=30, metavar="E", help="default: 30")
    add("--batch", type=whole(at_least=2), default=16, metavar="N", help="default: 16")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
