"""How the flat parameters of a search become a configuration.

Whatever is not given has the default below, which is close to experiments 6 to 10 on MAMe.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from commands.errors import UserError
from mame_cnn.configuration.config import Augmentation, Config
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.configuration.network_parameters import network_from_params, with_defaults
from mame_cnn.configuration.vocabulary import (
    OPTIMIZER_NAMES,
    SPECIAL_NAMES,
    TRAINING_NAMES,
    Params,
    Value,
    faults,
    idle,
)

DEFAULTS: dict[str, Value] = {
    "family": "plain",
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
    "metadata": "none",
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
    "initial_bias": "zero",
    "l1_after_epochs": 0,
    "patience_epochs": 20,  # as in the transfer experiments on MAMe
    "patience_on": "accuracy_or_loss",
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
    "rotation_degrees": 0.0,
    "shift_x_fraction": 0.0,
    "shift_y_fraction": 0.0,
    "zoom_fraction": 0.0,
    "shear_fraction": 0.0,
    "crop_pad_px": 0,
    "color_pca_sd": 0.0,
    "normalisation": "train",
    "from_scratch": "true",  # as the MAMe task demands
    "unfreeze_steps": 0,
}
"""Of every family, but for what `mame_cnn.configuration.network_parameters` says of one."""
_CHOOSING = ("depth", "dense_depth", "unfreeze_steps", "optimizer", "schedule")


def space_faults(values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return a message for each parameter of a space that is unknown, impossible or idle.

    Args:
        values: the values that a parameter may take, or the ends of its range, by name.
    """
    if messages := faults(values):
        return messages
    families = values.get("family", [DEFAULTS["family"]])
    chosen = [with_defaults({"family": family}, DEFAULTS) for family in families]
    choosing = {name: [given[name] for given in chosen] for name in _CHOOSING}
    return idle(values, {"family": families, **choosing})


def config_from_params(
    params: Params, *, source: str, image_size: int, epochs: int, seed: int, data_seed: int
) -> Config:
    """Return the complete configuration that flat parameters stand for.

    Raises `UserError` naming every parameter that is unknown or out of range.
    """
    if messages := faults({name: [value] for name, value in params.items()}):
        raise UserError("\n".join(messages))
    given = with_defaults(params, DEFAULTS)
    content = {
        "seed": seed,
        "data_seed": data_seed,
        "from_scratch": given["from_scratch"] == "true",
        "data": {
            "source": source,
            "image_size": image_size,
            "normalisation": given["normalisation"],
        },
        "network": network_from_params(given),
        "training": {"epochs": epochs, **_training(given)},
        "augmentation": {name: given[name] for name in Augmentation.model_fields},
    }
    try:
        return Config.model_validate(content)
    except ValidationError as error:  # of values that are possible, but not together
        raise UserError("\n".join(describe_faults(error))) from None


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
