"""Spaces of networks on images: the data, and what trains on them, made for the engine.

With `search.run` the composition root: no other file of this package imports `mame_cnn`. Here
trainers are made and handed to the engine, which knows no networks.
"""

import argparse
from collections.abc import Mapping, Sequence
from math import floor
from pathlib import Path

import torch
from rich.console import Console

from commands.errors import UserError
from mame_cnn.configuration.network_parameters import PRETRAINED, with_defaults
from mame_cnn.configuration.parameters import DEFAULTS, space_faults
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import find_source, load_dataset
from mame_cnn.data.metadata import WARNING
from mame_cnn.device import choose_device
from mame_cnn.features.config import faults as feature_faults
from mame_cnn.precision import choose_precision
from mame_cnn.trials.trainer import ImageTrainer
from search.searching import Searched, Settings, make_ready
from search.space import Choice, Parameter, Space, Value
from search.trainer import Trainer

MAX_VALUES = 1000
"""Values of a range that are all checked beforehand; of more, the ends are."""


def search_images(
    space: Space,
    dataset: Dataset,
    settings: Settings,
    *,
    epochs: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    is_quiet: bool = False,
) -> Searched:
    """Search a space of networks on a data set, in this process.

    Raises `UserError` for what a user can mend. Ctrl-C ends the search in order, and the outcome
    says so; the same call goes on.

    Args:
        epochs: the most that a trial trains; None: the space's.
        device: auto, cpu, cuda or cuda:1.
        precision: auto, float32 or bfloat16.
        is_quiet: show warnings alone; otherwise a line for each trial, or a live table.
    """
    name = f"space {space.title}"
    if is_of_features(space):
        raise UserError(f"{name}: is of classifiers; search_space takes a FeatureTrainer for it")
    check_parameters(space, name)
    _tell_of_weights(_checked_weights(space), dataset, is_quiet=is_quiet)
    place = choose_device(device)
    trainer = ImageTrainer(
        dataset,
        epochs=epochs or space.epochs,
        data_seed=settings.seed,
        device=place,
        precision=choose_precision(precision, place),
    )
    ready = make_ready(space, trainer, settings, pictures=lambda: sheets(dataset))
    return ready.searched(is_quiet=is_quiet)


def open_images(
    space: Space, options: argparse.Namespace, device: torch.device, precision: torch.dtype
) -> tuple[Dataset, Trainer]:
    """Return the data, and what trains on it: networks, or classifiers on what one sees."""
    if "size" in _possible(space).get("metadata", ()) and not options.quiet:
        Console(highlight=False, markup=False, soft_wrap=True).print(WARNING)
    if not is_of_features(space):
        if given := [name for name in ("looker", "weights") if getattr(options, name)]:
            raise UserError(
                f"--{given[0]}: {options.space} is no space of classifiers on features"
            )
        on_backbones = _checked_weights(space)
        dataset = _dataset(options, options.image_size)
        _tell_of_weights(on_backbones, dataset, is_quiet=options.quiet)
        return dataset, _trainer(dataset, space, options, device, precision)
    # Imports of scikit-learn and torchvision take seconds, in which others train.
    from mame_cnn.features.looker import DEFAULT_LOOKER, open_looker
    from mame_cnn.features.trainer import FeatureTrainer
    from mame_cnn.pretrained.weights_file import TORCHVISION

    if options.epochs not in (None, 1):
        raise UserError(f"--epochs {options.epochs}: a classifier on features is fitted once")
    weights = options.weights or TORCHVISION
    looker = open_looker(
        options.looker or DEFAULT_LOOKER, device, weights=weights, image_size=options.image_size
    )
    dataset = _dataset(options, looker.image_size)
    progress = not options.quiet
    return dataset, FeatureTrainer(
        dataset, looker, seed=options.seed, weights=weights, progress=progress
    )


def sheets(dataset: Dataset) -> dict[str, bytes]:
    """Return pictures of the data, which a new study keeps."""
    from mame_cnn.data.sheets import dataset_sheets  # imports matplotlib, for new studies alone

    return dataset_sheets(dataset)


def is_of_features(space: Space) -> bool:
    """Tell whether a space is of classifiers on features, which alone have a `classifier`."""
    return "classifier" in {*space.fixed, *(parameter.name for parameter in space.parameters)}


def check_parameters(space: Space, path: Path | str) -> None:
    """Raise `UserError` for parameters that do not exist, before any data is read."""
    values = _possible(space)
    faults, whose = space_faults, "the networks"
    if is_of_features(space):
        faults, whose = feature_faults, "classifiers on features"
    if messages := faults(values):
        raise UserError("\n  ".join([f"{path}: {whose} cannot have this:", *messages]))


def _checked_weights(space: Space) -> Mapping[str, Sequence[Value]]:
    """Return what parameters of networks on backbones may be; nothing where there are none.

    Raises `UserError` where weights that they begin with are missing.
    """
    values = _possible(space)
    if PRETRAINED not in values.get("family", ()):
        return {}
    # Brings along what networks on backbones alone need.
    from mame_cnn.pretrained.table import check_weights

    defaults = with_defaults({"family": PRETRAINED}, DEFAULTS)
    values = {name: [value] for name, value in defaults.items()} | values
    check_weights(values)
    return values


def _tell_of_weights(
    values: Mapping[str, Sequence[Value]], dataset: Dataset, *, is_quiet: bool
) -> None:
    if not values or is_quiet:
        return
    from mame_cnn.pretrained.table import that_saw

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for path in that_saw(values, dataset):
        console.print(
            f"weights: {path}: trained on these validation images, so accuracies on them are "
            "far too good"
        )


def _dataset(options: argparse.Namespace, image_size: int | None) -> Dataset:
    dataset = load_dataset(find_source(options.data), image_size, progress=not options.quiet)
    console = Console(quiet=options.quiet, highlight=False, markup=False)
    for note in dataset.notes:
        console.print(note, soft_wrap=not console.is_terminal)
    return dataset


def _trainer(
    dataset: Dataset,
    space: Space,
    options: argparse.Namespace,
    device: torch.device,
    precision: torch.dtype,
) -> ImageTrainer:
    return ImageTrainer(
        dataset,
        epochs=options.epochs or space.epochs,
        data_seed=options.seed,
        device=device,
        precision=precision,
        n_sharing=n_sharing(device, options.workers, options.gpus_per_worker),
    )


def n_sharing(device: torch.device, workers: int | None, gpus_per_worker: float | None) -> int:
    """Return how many workers use a device together, and so the energy that it counts.

    All share a CPU; each has a GPU of its own, but for shares of one on Ray, which puts as many on
    one as fit.
    """
    if device.type == "cpu":
        return workers or 1
    n_fitting = floor(1 / gpus_per_worker + 1e-9) if gpus_per_worker else 1
    return max(1, min(workers or n_fitting, n_fitting))


def _possible(space: Space) -> dict[str, Sequence[Value]]:
    """Return what each parameter of a space may be, by name."""
    values: dict[str, Sequence[Value]] = {name: [value] for name, value in space.fixed.items()}
    return values | {parameter.name: _values(parameter) for parameter in space.parameters}


def _values(parameter: Parameter) -> Sequence[Value]:
    """Return all that a parameter may be if that is not much, else the ends of its range."""
    n_values = parameter.n_values()
    if isinstance(parameter, Choice) or (n_values is not None and n_values <= MAX_VALUES):
        return parameter.grid() or ()
    return parameter.low, parameter.high
