"""What is to be explained: networks, and the images that they are asked about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from commands.counting import counted
from commands.errors import UserError
from commands.nearest import did_you_mean
from mame_cnn.data import digits
from mame_cnn.data.dataset import Dataset, Labels, Pixels
from mame_cnn.data.listing import some
from mame_cnn.explaining.grad_cam import Explainer
from mame_cnn.explaining.scene import UNKNOWN
from mame_cnn.models.decoding import decoded
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import ENSEMBLE
from mame_cnn.models.model import Model
from mame_cnn.models.opening import open_model

Load = Callable[[int], Dataset]
"""Returns the data at an image size."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, opened up."""

    path: Path
    name: str
    """What pictures call it; empty where there is no other."""
    model: Model
    explainer: Explainer


@dataclass(frozen=True, eq=False)
class Asked:
    """Images that networks are asked about."""

    images: tuple[Pixels, ...]
    """uint8 [N, H, W, C], one array for each network, of its own image size."""
    labels: Labels
    names: tuple[str, ...]


def open_subjects(paths: Sequence[Path], device: torch.device) -> tuple[Subject, ...]:
    """Return one network or two that tell the same classes apart."""
    models = [_open_one(path) for path in paths]
    if len(models) == 2 and models[0].classes != models[1].classes:
        one, two = (", ".join(model.classes) for model in models)
        raise UserError(
            f"{paths[1]}: has the classes {two}; {paths[0]} has {one}; only networks that tell "
            "the same classes apart can stand side by side"
        )
    return tuple(
        Subject(path, name, model, Explainer(model, device))
        for path, name, model in zip(paths, _names(paths), models, strict=True)
    )


def check_classes(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Return the numbers of classes; raise `UserError` naming all that do not exist."""
    faults = []
    for name in names:
        if name not in classes:
            hint = did_you_mean(name, classes, n_most=3)
            faults.append(f"--class {name}: no such class{hint}")
    if faults:
        raise UserError("\n".join([*faults, f"the classes: {', '.join(classes)}"]))
    return [list(classes).index(name) for name in names]


def validation(subjects: Sequence[Subject], load: Load) -> tuple[Asked, Dataset]:
    """Return the validation images, at every network's size, and the data of the first's."""
    datasets = {subject.model.image_size: load(subject.model.image_size) for subject in subjects}
    for subject in subjects:
        _check_fit(datasets[subject.model.image_size], subject)
    of_each = [datasets[subject.model.image_size] for subject in subjects]
    images = tuple(dataset.val.images for dataset in of_each)
    return Asked(images, of_each[0].val.labels, of_each[0].val.names), of_each[0]


def given(texts: Sequence[str], subjects: Sequence[Subject], source: str, load: Load) -> Asked:
    """Return images by the names of validation images or as files.

    Raises `UserError` naming all that are neither. Files within the data's own folder are not
    opened, as they may be of the test split.
    """
    files = {text for text in texts if Path(text).is_file() and not _is_inside(text, source)}
    others = [text for text in texts if text not in files]
    val = validation(subjects, load)[0] if others else None
    known = {name: index for index, name in enumerate(val.names)} if val else {}
    faults = [_unknown(text, known, source) for text in others if text not in known]
    images: list[list[Pixels]] = [[] for _ in subjects]
    for text in texts:
        for number, subject in enumerate(subjects):
            if text in files:
                found = decoded(Path(text), subject.model)
                if not isinstance(found, str):
                    images[number].append(found)
                elif number == 0:
                    faults.append(found)
            elif val and text in known:
                images[number].append(val.images[number][known[text]])
    if faults:
        head = f"{counted(len(faults), 'image')} of {len(texts):,} cannot be explained:"
        raise UserError("\n".join([head, *some(faults)]))
    labels = [val.labels[known[text]] if val and text in known else UNKNOWN for text in texts]
    names = tuple(text if text in known else Path(text).name for text in texts)
    return Asked(tuple(map(np.stack, images)), np.array(labels, dtype=np.int64), names)


def _open_one(path: Path) -> Model:
    model = open_model(path)
    if isinstance(model, Ensemble):
        members = "\n".join(f"  {path / member.path}" for member in model.networks)
        raise UserError(
            f"{path}: an ensemble ({ENSEMBLE}), which has no layers of its own; explain one of "
            f"its networks, or two side by side:\n{members}"
        )
    return model


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest names that tell two paths apart; one alone needs no name."""
    if len(paths) == 1:
        return [""]
    folders = [path.parent if path.is_file() else path for path in map(Path.absolute, paths)]
    for n_parts in range(1, 4):
        names = ["/".join(folder.parts[-n_parts:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return ["first", "second"]


def _check_fit(dataset: Dataset, subject: Subject) -> None:
    model = subject.model
    if dataset.classes != model.classes:
        raise UserError(
            f"{dataset.source}: has the classes {', '.join(dataset.classes)}; "
            f"{subject.path} was trained on {', '.join(model.classes)}; --data takes other data"
        )
    if dataset.channels != model.channels:
        raise UserError(
            f"{dataset.source}: has images of {dataset.channels} channels; "
            f"{subject.path} takes {model.channels}"
        )


def _is_inside(text: str, source: str) -> bool:
    if source == digits.NAME:
        return False
    return Path(text).resolve().is_relative_to(Path(source).expanduser().resolve())


def _unknown(text: str, known: Sequence[str] | dict[str, int], source: str) -> str:
    if Path(text).is_file():
        return (
            f"{text}: lies in the data's folder; only validation images of it are explained, by "
            "their names as in val_probabilities.csv"
        )
    hint = did_you_mean(text, known)
    kind = "a folder" if Path(text).is_dir() else "no file"
    return f"{text}: {kind}, and no validation image of {source}{hint}"
