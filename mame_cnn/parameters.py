"""How the flat parameters of a search become a configuration.

Whatever is not given has the default below, which is close to experiments 6 to 10 on MAMe.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from commands.errors import UserError
from mame_cnn.config import Augmentation, Config
from mame_cnn.vocabulary import (
    BLOCK_NAMES,
    DENSE_NAMES,
    OPTIMIZER_NAMES,
    SPECIAL_NAMES,
    TRAINING_NAMES,
    Params,
    Value,
    faults,
    idle,
)

DEFAULTS: dict[str, Value] = {
    "depth": 3,
    "width": 32,
    "width_growth": 2.0,
    "width_limit": 512,
    "convolutions": 1,
    "kernel_size": 3,
    "pool_size": 2,
    "pool": "max",
    "batch_norm": "after_pool",
    "activation": "relu",
    "drop_rate": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "head": "flatten",
    "head_drop_rate": 0.0,
    "dense_depth": 1,
    "dense_width": 64,
    "dense_drop_rate": 0.0,
    "dense_l1": 0.0,
    "dense_l2": 0.0,
    "batch_size": 64,
    "optimizer": "adam",
    "lr": 1e-3,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "constant",
    "decay_rate": 0.05,  # with the 10 epochs below as for the five Spanish painters
    "decay_after_epochs": 10,
    "plateau_factor": 0.5,
    "plateau_patience_epochs": 5,
    "warmup_fraction": 0.3,  # torch's OneCycleLR
    "label_smoothing": 0.0,
    "ema_decay": 0.0,
    "class_weights": "none",
    "patience_epochs": 20,  # as in the transfer experiments on MAMe
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
    "rotation_degrees": 0.0,
    "shift_x_fraction": 0.0,
    "shift_y_fraction": 0.0,
    "zoom_fraction": 0.0,
    "shear_fraction": 0.0,
    "crop_pad_px": 0,
}
_CHOOSING = {name: DEFAULTS[name] for name in ("depth", "dense_depth", "optimizer", "schedule")}


def space_faults(values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return a message for each parameter of a space that is unknown, impossible or idle.

    Args:
        values: the values that a parameter may take, or the ends of its range, by name.
    """
    return faults(values) or idle(
        {**{name: [value] for name, value in _CHOOSING.items()}, **values}
    )


def config_from_params(
    params: Params, *, source: str, image_size: int, epochs: int, seed: int, data_seed: int
) -> Config:
    """Return the complete configuration that flat parameters stand for.

    Raises `UserError` naming every parameter that is unknown or out of range.
    """
    if messages := faults({name: [value] for name, value in params.items()}):
        raise UserError("\n".join(messages))
    given = {**DEFAULTS, **params}
    content = {
        "seed": seed,
        "data_seed": data_seed,
        "data": {"source": source, "image_size": image_size},
        "network": {
            "blocks": [_block(given, number) for number in range(1, int(given["depth"]) + 1)],
            "activation": given["activation"],
            "head": given["head"],
            "head_drop_rate": given["head_drop_rate"],
            "dense": [_dense(given, number) for number in range(1, int(given["dense_depth"]) + 1)],
        },
        "training": {"epochs": epochs, **_training(given)},
        "augmentation": {name: given[name] for name in Augmentation.model_fields},
    }
    return Config.model_validate(content)


def _block(given: Params, number: int) -> dict[str, Value]:
    """Return the fields of one block: the numbered name, else the plain one."""
    grown = float(given["width"]) * float(given["width_growth"]) ** (number - 1)
    plain = {**given, "width": min(round(grown), int(given["width_limit"]))}
    return {name: given.get(f"{name}_{number}", plain[name]) for name in BLOCK_NAMES}


def _dense(given: Params, number: int) -> dict[str, Value]:
    """Return the fields of one dense layer: the numbered name, else the plain one."""
    return {
        field: given.get(f"{name}_{number}", given[name]) for name, field in DENSE_NAMES.items()
    }


def _training(given: Params) -> dict[str, Any]:
    optimizer = {field: given[name] for name, field in OPTIMIZER_NAMES.items()}
    return {
        "optimizer": {"momentum": 0.0, **optimizer, **_special(given, "optimizer")},
        "schedule": {"name": given["schedule"], **_special(given, "schedule")},
        **{name: given[name] for name in TRAINING_NAMES},
    }


def _special(given: Params, choice: str) -> dict[str, Value]:
    """Return the fields that only the chosen option has."""
    return {
        field: given[name]
        for name, (of, option, _, field) in SPECIAL_NAMES.items()
        if (of, option) == (choice, given[choice])
    }
