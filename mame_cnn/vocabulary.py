"""The names that a search may use, what each may be, and when it has an effect.

A block's parameter may carry the block's number (`width_2`), a dense layer's the layer's; the
numbered name wins over the plain one.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mame_cnn.config import (
    MAX_BLOCKS,
    MAX_DENSE,
    Augmentation,
    Block,
    Dense,
    Exponential,
    Network,
    OneCycle,
    Optimizer,
    Plateau,
    Section,
    Training,
)

Value = str | int | float
Params = Mapping[str, Value]


class Shape(Section):
    """How many layers a network has and how wide they are."""

    depth: int = Field(ge=1, le=MAX_BLOCKS)
    """Blocks."""
    width: int = Field(ge=1, le=4096)
    """Output channels of the first block."""
    width_growth: float = Field(gt=0, le=16)
    """Block b has width * width_growth^(b - 1) channels, rounded."""
    width_limit: int = Field(ge=1, le=4096)
    """No block grows wider."""
    dense_depth: int = Field(ge=0, le=MAX_DENSE)
    """Hidden dense layers."""


class _Names(Section):
    schedule: Literal["constant", "exponential", "plateau", "cosine", "one_cycle"]


BLOCK_NAMES = ("width", *(name for name in Block.model_fields if name != "width"))
DENSE_NAMES = {f"dense_{name}": name for name in Dense.model_fields}
OPTIMIZER_NAMES = {"optimizer": "name", "lr": "lr", "weight_decay": "weight_decay"}
TRAINING_NAMES = (
    *("batch_size", "label_smoothing", "ema_decay", "class_weights", "patience_epochs"),
)
# Parameters of one option only: the choice, the option, and the field each one fills.
SPECIAL_NAMES: dict[str, tuple[str, str, type[Section], str]] = {
    "momentum": ("optimizer", "sgd", Optimizer, "momentum"),
    "decay_rate": ("schedule", "exponential", Exponential, "rate"),
    "decay_after_epochs": ("schedule", "exponential", Exponential, "after_epochs"),
    "plateau_factor": ("schedule", "plateau", Plateau, "factor"),
    "plateau_patience_epochs": ("schedule", "plateau", Plateau, "patience_epochs"),
    "warmup_fraction": ("schedule", "one_cycle", OneCycle, "warmup_fraction"),
}


def _fields() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Yield every plain name with the field that says what it may be."""
    for name in Shape.model_fields:
        yield name, Shape, name
    for name in BLOCK_NAMES[1:]:
        yield name, Block, name
    for name, field in DENSE_NAMES.items():
        yield name, Dense, field
    for name in ("activation", "head", "head_drop_rate"):
        yield name, Network, name
    for name, field in OPTIMIZER_NAMES.items():
        yield name, Optimizer, field
    for name in TRAINING_NAMES:
        yield name, Training, name
    yield "schedule", _Names, "schedule"
    for name, (_, _, model, field) in SPECIAL_NAMES.items():
        yield name, model, field
    for name in Augmentation.model_fields:
        yield name, Augmentation, name


def _adapters() -> dict[str, TypeAdapter[Any]]:
    """Return what checks a value, by every name with and without numbers."""
    plain = {
        name: TypeAdapter(
            model.model_fields[field].rebuild_annotation(), config=Section.model_config
        )
        for name, model, field in _fields()
    }
    numbered = {
        f"{name}_{number}": plain[name]
        for names, last in ((BLOCK_NAMES, MAX_BLOCKS), (tuple(DENSE_NAMES), MAX_DENSE))
        for name in names
        for number in range(1, last + 1)
    }
    return plain | numbered


_ADAPTERS = _adapters()


def faults(values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return a message for each name or value that no network or training could have.

    Args:
        values: the values that a parameter may take, or the ends of its range, by name.
    """
    messages = []
    for name, possible in values.items():
        if name not in _ADAPTERS:
            nearest = difflib.get_close_matches(name, _ADAPTERS, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            messages.append(f"{name}: no parameter of the networks or their training{hint}")
        else:
            messages += [f"{name}: {fault}" for value in possible for fault in _fault(name, value)]
    return messages


def idle(values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return a message for each parameter that can have no effect beside the others.

    Args:
        values: as for `faults`, free of them, defaults of `depth`, `dense_depth`, `optimizer`
            and `schedule` included.
    """
    messages = []
    for name in values:
        plain, _, number = name.rpartition("_")
        if number.isdigit():
            of, unit = ("dense_depth", "layer") if plain in DENSE_NAMES else ("depth", "block")
            if int(number) > (most := max(int(value) for value in values[of])):
                messages.append(f"{name}: there is no such {unit}, {of} is at most {most}")
        elif name in SPECIAL_NAMES:
            choice, option, _, _ = SPECIAL_NAMES[name]
            if option not in values[choice]:
                messages.append(f"{name}: has an effect only where {choice} is {option}")
    return messages


def _fault(name: str, value: Value) -> list[str]:
    """Say what is wrong with one value, in a list of one, or return an empty list."""
    try:
        _ADAPTERS[name].validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        return [f"{reason[0].lower()}{reason[1:]}, got {value!r}"]
    return []
