"""The flat vocabulary that a search speaks, and how it becomes a configuration.

A name of `BLOCK_DEFAULTS` may carry a block's number (`width_2`), a name of `DENSE_DEFAULTS` a
dense layer's; the numbered name wins over the plain one. Whatever is not given has the default
below, which is close to experiments 6 to 10 on MAMe.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from mame_cnn.config import MAX_BLOCKS, Config
from mame_cnn.errors import UserError
from mame_cnn.faults import describe_faults

Value = str | int | float
Params = Mapping[str, Value]

MAX_DENSE = 4

BLOCK_DEFAULTS: dict[str, Value] = {
    "convolutions": 1,
    "kernel_size": 3,
    "pool_size": 2,
    "pool": "max",
    "batch_norm": "after_pool",
    "drop_rate": 0.0,
    "l1": 0.0,
    "l2": 0.0,
}
DENSE_DEFAULTS: dict[str, Value] = {
    "dense_width": 64,
    "dense_drop_rate": 0.0,
    "dense_l1": 0.0,
    "dense_l2": 0.0,
}
NETWORK_DEFAULTS: dict[str, Value] = {
    "depth": 3,
    "width": 32,
    "width_growth": 2.0,
    "width_limit": 512,
    "dense_depth": 1,
    "activation": "relu",
    "head": "flatten",
    "head_drop_rate": 0.0,
}
TRAINING_DEFAULTS: dict[str, Value] = {
    "batch_size": 64,
    "optimizer": "adam",
    "lr": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "label_smoothing": 0.0,
    "class_weights": "none",
    "patience_epochs": 20,  # as in the transfer experiments on MAMe
}
# Beside each choice, the parameters that only it has.
OPTIMIZER_DEFAULTS: dict[str, dict[str, Value]] = {"sgd": {"momentum": 0.9}}
SCHEDULE_DEFAULTS: dict[str, dict[str, Value]] = {
    "exponential": {"decay_rate": 0.05, "decay_after_epochs": 10},
    "plateau": {"plateau_factor": 0.5, "plateau_patience_epochs": 5},
    "one_cycle": {"warmup_fraction": 0.3},
}
SCHEDULE_FIELDS = {
    "decay_rate": "rate",
    "decay_after_epochs": "after_epochs",
    "plateau_factor": "factor",
    "plateau_patience_epochs": "patience_epochs",
    "warmup_fraction": "warmup_fraction",
}
AUGMENTATION_DEFAULTS: dict[str, Value] = {
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
    "rotation_degrees": 0.0,
    "shift_x_fraction": 0.0,
    "shift_y_fraction": 0.0,
    "zoom_fraction": 0.0,
    "shear_fraction": 0.0,
    "crop_pad_px": 0,
}


def known_names() -> frozenset[str]:
    """Return every parameter name, with and without numbers."""
    names = {*NETWORK_DEFAULTS, *TRAINING_DEFAULTS, *AUGMENTATION_DEFAULTS}
    for special in (*OPTIMIZER_DEFAULTS.values(), *SCHEDULE_DEFAULTS.values()):
        names.update(special)
    for name in ("width", *BLOCK_DEFAULTS):
        names.update({name, *(f"{name}_{block}" for block in range(1, MAX_BLOCKS + 1))})
    for name in DENSE_DEFAULTS:
        names.update({name, *(f"{name}_{layer}" for layer in range(1, MAX_DENSE + 1))})
    return frozenset(names)


def unknown_names(names: Iterable[str]) -> list[str]:
    """Return a message for each name that is no parameter, with the nearest that is."""
    known = known_names()
    messages = []
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            messages.append(f"{name}: no parameter of the networks or their training{hint}")
    return messages


def config_from_params(
    params: Params, *, source: str, image_size: int, epochs: int, seed: int, data_seed: int
) -> Config:
    """Return the complete configuration that flat parameters stand for.

    Raises `UserError` naming every parameter that is unknown or out of range.
    """
    if messages := unknown_names(params):
        raise UserError("\n".join(messages))
    content = {
        "seed": seed,
        "data_seed": data_seed,
        "data": {"source": source, "image_size": image_size},
        "network": _network(params),
        "training": {"epochs": epochs, **_training(params)},
        "augmentation": _pick(params, AUGMENTATION_DEFAULTS),
    }
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(describe_faults(error))) from None


def _pick(params: Params, defaults: Params) -> dict[str, Value]:
    return {name: params.get(name, default) for name, default in defaults.items()}


def _numbered(params: Params, defaults: Params, number: int) -> dict[str, Value]:
    """Return the values of one block or layer: the numbered name, else the plain one."""
    return {
        name: params.get(f"{name}_{number}", params.get(name, default))
        for name, default in defaults.items()
    }


def _network(params: Params) -> dict[str, Any]:
    shape = _pick(params, NETWORK_DEFAULTS)
    blocks = [
        {"width": _width(params, shape, number), **_numbered(params, BLOCK_DEFAULTS, number)}
        for number in range(1, int(shape["depth"]) + 1)
    ]
    dense = []
    for number in range(1, int(shape["dense_depth"]) + 1):
        layer = _numbered(params, DENSE_DEFAULTS, number)
        dense.append({name.removeprefix("dense_"): value for name, value in layer.items()})
    return {
        "blocks": blocks,
        "activation": shape["activation"],
        "head": shape["head"],
        "head_drop_rate": shape["head_drop_rate"],
        "dense": dense,
    }


def _width(params: Params, shape: Params, number: int) -> Value:
    """Return a block's width: its own, else width * width_growth^(number - 1), limited."""
    grown = float(shape["width"]) * float(shape["width_growth"]) ** (number - 1)
    return params.get(f"width_{number}", min(round(grown), int(shape["width_limit"])))


def _training(params: Params) -> dict[str, Any]:
    training: dict[str, Any] = _pick(params, TRAINING_DEFAULTS)
    momentum = params.get("momentum", OPTIMIZER_DEFAULTS["sgd"]["momentum"])
    training["optimizer"] = {
        "name": training["optimizer"],
        "lr": training.pop("lr"),
        "momentum": momentum if training["optimizer"] == "sgd" else 0.0,
        "weight_decay": training.pop("weight_decay"),
    }
    special = _pick(params, SCHEDULE_DEFAULTS.get(str(training["schedule"]), {}))
    training["schedule"] = {
        "name": training["schedule"],
        **{SCHEDULE_FIELDS[name]: value for name, value in special.items()},
    }
    return training
