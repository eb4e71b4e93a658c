"""The script that a user of Optuna writes, after `pytorch_simple.py` of Optuna's examples.

One trial after another, TPE and the median pruner with their defaults, `suggest_*` calls with
the space's own ranges, plain fp32 networks, ImageFolder and a DataLoader with per-image
transforms. Of this project it uses the space alone. Beyond the example it has a DataLoader with
worker processes that stay for the whole trial, and a study kept in a file, to be watched.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.plain_network import DEFAULTS, Params, PlainNetwork, last_map_px
from commands.arguments import seconds, whole
from commands.errors import exit_status
from search.sampling.distributions import suggest
from search.space import Space
from search.space.file import load_space

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "adamax": torch.optim.Adamax,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
}
Loader = DataLoader[tuple[Tensor, Tensor]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study."""
    options = make_parser().parse_args(argv)
    torch.manual_seed(options.seed)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=options.seed),
        pruner=optuna.pruners.MedianPruner(),
        storage=JournalStorage(JournalFileBackend(str(options.storage))),
        study_name=options.study,
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.device != "auto":
        device = torch.device(options.device)
    objective = Objective(
        load_space(options.space),
        options.data,
        options.image_size,
        options.epochs,
        device,
        options.loader_workers,
    )
    study.optimize(objective, n_trials=options.trials, timeout=options.timeout)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, whose options are named as those of `search.run`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.optuna_script", description=(__doc__ or "").partition("\n\n")[2]
    )
    add = parser.add_argument
    add("space", type=Path, metavar="SPACE.py")
    add("--data", type=Path, required=True, metavar="DIR", help="train/CLASS/ and val/CLASS/")
    add("--image-size", type=whole(at_least=8), required=True, metavar="PX")
    add("--epochs", type=whole(at_least=1), required=True, metavar="E")
    add("--storage", type=Path, required=True, metavar="PATH")
    add("--study", required=True, metavar="NAME")
    add("--trials", type=whole(at_least=1), metavar="N")
    add("--timeout", type=seconds, metavar="SECONDS")
    add("--device", default="auto")
    add("--seed", type=whole(at_least=0), default=0, metavar="S")
    add("--loader-workers", type=whole(at_least=0), default=2, metavar="W")
    return parser


@dataclass(frozen=True)
class Objective:
    """Trains the network that a trial suggests; its value is the last epoch's accuracy."""

    space: Space
    folder: Path
    image_size: int
    epochs: int
    device: torch.device
    n_workers: int

    def __call__(self, trial: optuna.Trial) -> float:
        """Train for all epochs, or until the pruner has seen enough."""
        drawn = self.space.draw(lambda row: suggest(trial, row))
        params = {**DEFAULTS, **self.space.fixed, **drawn}
        if last_map_px(params, self.image_size) == 0:
            raise optuna.TrialPruned("the pooling leaves no pixel")
        train, val = self._loader("train", params), self._loader("val", params)
        folder: Any = train.dataset  # an `ImageFolder`, which the loader's type forgets
        n_classes = len(folder.classes)
        network = PlainNetwork(params, image_size=self.image_size, n_classes=n_classes)
        network.to(self.device)
        optimizer = make_optimizer(network, params)
        accuracy = 0.0
        for epoch in range(self.epochs):
            train_epoch(network, optimizer, params["lr"] * params["weight_decay"], train)
            accuracy = validate(network, val)
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return accuracy

    def _loader(self, split: str, params: Params) -> Loader:
        is_train = split == "train"
        transform = make_transform(params, self.image_size, is_train=is_train)
        return DataLoader(
            ImageFolder(str(self.folder / split), transform),
            batch_size=params["batch_size"],
            shuffle=is_train,
            num_workers=self.n_workers,
            persistent_workers=self.n_workers > 0,
            pin_memory=self.device.type == "cuda",
        )


def make_transform(params: Params, image_size: int, *, is_train: bool) -> transforms.Compose:
    """Return what is done to each image; to training images also what the space distorts."""
    steps = [transforms.Resize((image_size, image_size))]
    if is_train:
        steps += _distortions(params)
    steps += [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))]
    return transforms.Compose(steps)


def _distortions(params: Params) -> list[torch.nn.Module]:
    """Return those that are on, in torchvision's units: a shear is an angle there."""
    steps: list[torch.nn.Module] = []
    if params["flip_horizontal"]:
        steps.append(transforms.RandomHorizontalFlip(params["flip_horizontal"]))
    if params["flip_vertical"]:
        steps.append(transforms.RandomVerticalFlip(params["flip_vertical"]))
    zoom, shear = params["zoom_fraction"], math.degrees(math.atan(params["shear_fraction"]))
    shift = params["shift_x_fraction"], params["shift_y_fraction"]
    if any((params["rotation_degrees"], *shift, zoom, shear)):
        steps.append(
            transforms.RandomAffine(
                params["rotation_degrees"],
                translate=shift,
                scale=(1 - zoom, 1 + zoom),
                shear=shear,
                interpolation=transforms.InterpolationMode.BILINEAR,
            )
        )
    return steps


def make_optimizer(network: PlainNetwork, params: Params) -> torch.optim.Optimizer:
    """Return the named optimiser; weight decay is left to the training step."""
    special = {"momentum": params["momentum"]} if params["optimizer"] == "sgd" else {}
    optimizer: torch.optim.Optimizer = OPTIMIZERS[params["optimizer"]](
        network.parameters(), lr=params["lr"], **special
    )
    return optimizer


def train_epoch(
    network: PlainNetwork, optimizer: torch.optim.Optimizer, decay: float, loader: Loader
) -> None:
    """Train one epoch.

    Args:
        decay: each step multiplies kernels by 1 minus this: the space's weight decay is
            decoupled for every rule, which torch.optim offers for some only.
    """
    network.train()
    device = next(network.parameters()).device
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels) + network.penalty()
        loss.backward()
        with torch.no_grad():
            for kernel in network.kernels():
                kernel.mul_(1 - decay)
        optimizer.step()


def validate(network: PlainNetwork, loader: Loader) -> float:
    """Return the accuracy."""
    network.eval()
    device = next(network.parameters()).device
    n_correct = n_images = 0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            n_correct += int((network(images).argmax(1) == labels).sum().item())
            n_images += len(labels)
    return n_correct / n_images


if __name__ == "__main__":
    sys.exit(exit_status(main))
