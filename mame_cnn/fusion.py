"""What must be equal for configurations to train as one cohort, and what may differ.

Members of a cohort share shapes, batches and the update rule. Each has its own coefficients:
learning rate and schedule, momentum, weight decay, L1, L2, drop rates, label smoothing,
early stopping and seed.
"""

from typing import Any

from mame_cnn.config import Config, digest

_COEFFICIENTS: Any = {  # pydantic.main.IncEx, which mypy does not see in nested dicts
    "seed": True,
    "data": {"source"},
    "network": {
        "head_drop_rate": True,
        "blocks": {"__all__": {"drop_rate", "l1", "l2"}},
        "dense": {"__all__": {"drop_rate", "l1", "l2"}},
    },
    "training": {
        "optimizer": {"lr", "momentum", "weight_decay"},
        "schedule": True,
        "label_smoothing": True,
        "patience_epochs": True,
    },
    "augmentation": True,
}


def fusion_key(config: Config) -> str:
    """Return 12 hex digits that are equal for configurations that can train as one."""
    shared: dict[str, Any] = config.model_dump(mode="json", exclude=_COEFFICIENTS)
    return digest(shared)
