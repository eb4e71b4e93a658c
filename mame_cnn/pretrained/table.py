"""How flat parameters become a pretrained network's table; files say what they leave open."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from commands.errors import UserError
from mame_cnn.configuration.pretrained import SeenVal
from mame_cnn.configuration.vocabulary import UNFREEZING_NAMES, Value
from mame_cnn.data.dataset import Dataset
from mame_cnn.families.layered import LayeredNetwork
from mame_cnn.pretrained.backbones import BACKBONES
from mame_cnn.pretrained.weights_file import TORCHVISION, check_hash, find, sha256_of

TRAINED = "trained"
"""The backbone that is the network of a file which this project wrote."""


def table_from_params(given: Mapping[str, Value]) -> dict[str, Any]:
    """Return the fields of the table but its dense layers.

    Raises `UserError` naming what is missing, or what is wrong with the file of weights.
    """
    name, weights, sha256 = (str(given[key]) for key in ("backbone", "weights", "sha256"))
    backbone: str | dict[str, Any] = name
    if name == TRAINED:
        if weights == TORCHVISION:
            raise UserError("weights: name the file of a trained model, as backbone is trained")
        backbone = trained_backbone(Path(weights).expanduser())
    return {
        "family": "pretrained",
        "backbone": backbone,
        "weights": weights,
        "sha256": sha256 or _hash(name, weights),
        **{key: given[key] for key in _AS_GIVEN},
        "unfreezing": [_step(given, step) for step in range(1, int(given["unfreeze_steps"]) + 1)],
    }


def check_weights(values: Mapping[str, Sequence[Value]]) -> None:
    """Raise `UserError` for every file of weights that is not there, or another one.

    Torchvision's are downloaded where that is possible.

    Args:
        values: what `backbone`, `weights` and `sha256` may be.
    """
    faults = []
    for name, weights, sha256 in product(*(values[key] for key in _OF_WEIGHTS)):
        if name == TRAINED and weights == TORCHVISION:
            continue  # which no network has
        try:
            digits = str(sha256) or _hash(str(name), str(weights))
            backbone = None if name == TRAINED else BACKBONES[str(name)]
            path = Path(str(weights)) if backbone is None else find(backbone, str(weights), digits)
            check_hash(path.expanduser(), digits)
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(dict.fromkeys(faults)))


def that_saw(values: Mapping[str, Sequence[Value]], dataset: Dataset) -> list[str]:
    """Return the files of backbones that were trained on these validation images.

    Args:
        values: what `backbone` and `weights` may be.
    """
    if TRAINED not in values["backbone"]:
        return []
    own = (str(weights) for weights in values["weights"] if weights != TORCHVISION)
    told = {path: trained_backbone(Path(path).expanduser()).get("seen_val") for path in own}
    return [
        path
        for path, seen in told.items()
        if seen
        and SeenVal.model_validate(seen).is_of(dataset.name, dataset.digest, dataset.image_size)
    ]


_OF_WEIGHTS = ("backbone", "weights", "sha256")
_AS_GIVEN = ("head", "head_batch_norm", "head_drop_rate", "activation")


def trained_backbone(path: Path) -> dict[str, Any]:
    """Return the network of a model's file as a backbone, as a configuration names it.

    Raises `UserError` if it is no model, or one of a family that has no blocks of its own.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    about = path.stat()
    return _trained_backbone(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _trained_backbone(path: Path, _mtime_ns: int, _size: int) -> dict[str, Any]:
    # Imported here, as a model of this family is such a file's content too.
    from mame_cnn.families.network import FAMILIES
    from mame_cnn.models.model_file import read_model

    model = read_model(path)
    network = model.config.network
    family = FAMILIES[network.family]
    if not (isinstance(family, type) and issubclass(family, LayeredNetwork)):
        possible = (
            name
            for name, one in FAMILIES.items()
            if isinstance(one, type) and issubclass(one, LayeredNetwork)
        )
        raise UserError(
            f"{path}: a network of the family {network.family} cannot be a backbone; expected "
            f"one of {', '.join(possible)}"
        )
    backbone = {"network": network.model_dump(mode="json"), "channels": model.channels}
    for seen in model.seen_val:
        backbone["seen_val"] = seen.model_dump(mode="json")
    return backbone


def _hash(name: str, weights: str) -> str:
    """Return the SHA-256 of a file as it is, or what torchvision says of its own."""
    if weights == TORCHVISION:
        return next(iter(BACKBONES[name].released))
    path = Path(weights).expanduser()
    if not path.is_file():
        return sha256_of(path)  # which says what is wrong
    about = path.stat()
    return _hash_of(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _hash_of(path: Path, _mtime_ns: int, _size: int) -> str:
    return sha256_of(path)


def _step(given: Mapping[str, Value], number: int) -> dict[str, Value]:
    """Return the fields of one step: the numbered name, else the plain one."""
    step = {}
    for name, field in UNFREEZING_NAMES.items():
        value = given.get(f"{name}_{number}", given.get(name))
        if value is None:
            raise UserError(f"{name}_{number}: missing, as unfreeze_steps is at least {number}")
        step[field] = value
    return step
