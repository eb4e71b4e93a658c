"""What must be equal for configurations to train as one cohort, and what may differ.

Members of a cohort share shapes, batches and the update rule. Each has its own coefficients:
learning rate and schedule, momentum, weight decay, L1, L2, drop rates, label smoothing, moving
average of weights, early stopping and seed.
"""

from collections.abc import Iterable
from typing import Any

from mame_cnn.config import Augmentation, Config, digest
from mame_cnn.vocabulary import DENSE_NAMES, OPTIMIZER_NAMES, SPECIAL_NAMES

_OF_LAYERS = {"drop_rate", "l1", "l2"}
_OF_OPTIMIZER = {"lr", "momentum", "weight_decay"}
_COEFFICIENTS: Any = {  # pydantic.main.IncEx, which mypy does not see in nested dicts
    "seed": True,
    "data": {"source"},
    "network": {
        "head_drop_rate": True,
        "blocks": {"__all__": _OF_LAYERS},
        "dense": {"__all__": _OF_LAYERS},
    },
    "training": {
        "optimizer": _OF_OPTIMIZER,
        "schedule": True,
        "label_smoothing": True,
        "ema_decay": True,
        "patience_epochs": True,
    },
    "augmentation": True,
}
_COEFFICIENT_NAMES = {
    *_OF_LAYERS,
    *(name for name, field in DENSE_NAMES.items() if field in _OF_LAYERS),
    *(name for name, field in OPTIMIZER_NAMES.items() if field in _OF_OPTIMIZER),
    *SPECIAL_NAMES,  # of an update rule or a schedule
    *("head_drop_rate", "label_smoothing", "ema_decay", "patience_epochs", "schedule"),
    *Augmentation.model_fields,
}
"""Their names as parameters of a search, without the number of a layer."""


def fusion_key(config: Config) -> str:
    """Return 12 hex digits that are equal for configurations that can train as one."""
    shared: dict[str, Any] = config.model_dump(mode="json", exclude=_COEFFICIENTS)
    return digest(shared)


def shared_names(names: Iterable[str]) -> frozenset[str]:
    """Return those of a search's parameters on which the fusion key depends."""
    return frozenset(name for name in names if _plain(name) not in _COEFFICIENT_NAMES)


def _plain(name: str) -> str:
    """Return the name without the number of a block or dense layer."""
    plain, _, number = name.rpartition("_")
    return plain if number.isdigit() else name
