"""What must be equal for configurations to train as one cohort, and what may differ.

Members of a cohort share shapes, batches and the update rule. Each has its own coefficients:
learning rate and schedule, momentum, weight decay, L1, L2, drop rates, label smoothing, first
biases of the outputs, moving average of weights, early stopping and seed.
"""

from collections.abc import Iterable
from typing import Any

from mame_cnn.configuration.config import Augmentation, Config, Pretrained, digest
from mame_cnn.configuration.vocabulary import (
    DENSE_NAMES,
    OPTIMIZER_NAMES,
    SPECIAL_NAMES,
    plain_name,
)

_OF_LAYERS = {"drop_rate", "l1", "l2"}
_OF_OPTIMIZER = {"lr", "momentum", "weight_decay"}
_COEFFICIENTS: Any = {  # pydantic.main.IncEx, which mypy does not see in nested dicts
    "seed": True,
    "data": {"source"},
    "network": {
        "head_drop_rate": True,
        "l1": True,
        "l2": True,
        "blocks": {"__all__": _OF_LAYERS},
        "dense": {"__all__": _OF_LAYERS},
    },
    "training": {
        "optimizer": _OF_OPTIMIZER,
        "schedule": True,
        "label_smoothing": True,
        "ema_decay": True,
        "initial_bias": True,
        "l1_after_epochs": True,
        "patience_epochs": True,
        "patience_on": True,
    },
    "augmentation": True,
}
_COEFFICIENT_NAMES = {
    *_OF_LAYERS,
    *(name for name, field in DENSE_NAMES.items() if field in _OF_LAYERS),
    *(name for name, field in OPTIMIZER_NAMES.items() if field in _OF_OPTIMIZER),
    *SPECIAL_NAMES,  # of an update rule or a schedule
    *("head_drop_rate", "label_smoothing", "ema_decay", "initial_bias", "l1_after_epochs"),
    *("patience_epochs", "patience_on", "schedule"),
    *Augmentation.model_fields,
}
"""Their names as parameters of a search, without the number of a layer."""


def fusion_key(config: Config) -> str:
    """Return 12 hex digits that are equal for configurations that can train as one."""
    shared: dict[str, Any] = config.model_dump(mode="json", exclude=_COEFFICIENTS)
    if isinstance(config.network, Pretrained):
        # Members on cached features and such on images that change do not see the same.
        shared["is_augmented"] = config.augmentation.is_on
    return digest(shared)


def shared_names(names: Iterable[str]) -> frozenset[str]:
    """Return those of a search's parameters on which the fusion key depends."""
    named = set(names)
    own = _COEFFICIENT_NAMES
    if "from_scratch" in named:  # as pretrained networks must say
        own = own - Augmentation.model_fields.keys()
    return frozenset(name for name in named if plain_name(name) not in own)
