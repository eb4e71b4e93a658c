"""The names that a search may use, what each may be, and when it has an effect.

A block's parameter may carry the block's number (`width_2`), a dense layer's the layer's; the
numbered name wins over the plain one. A name means the same in every family that has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from commands.nearest import did_you_mean
from mame_cnn.configuration.config import (
    MAX_BLOCKS,
    MAX_DENSE,
    Augmentation,
    Block,
    Data,
    Dense,
    Exponential,
    OneCycle,
    Optimizer,
    Plain,
    Plateau,
    Section,
    Training,
)
from mame_cnn.configuration.layered import (
    DenseBlock,
    DenseNet,
    MobileNet,
    ResNet,
    UnitBlock,
    Vgg,
    VggBlock,
)
from mame_cnn.configuration.network import Own, Penalties
from mame_cnn.configuration.pretrained import MAX_UNFREEZING, BackboneName, Pretrained, Unfreezing

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


class Transfer(Section):
    """What says where a pretrained network comes from, and in how many steps it is unfrozen."""

    backbone: BackboneName | Literal["trained"]
    """A network of torchvision, or that of a file which this project wrote."""
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{8,64})?$")]
    """Empty: that of the file as it is now."""
    unfreeze_steps: int = Field(ge=0, le=MAX_UNFREEZING)


class _NoBlock(Section):
    """A backbone's blocks are as they are."""


class _Names(Section):
    family: Literal["plain", "vgg", "resnet", "mobilenet", "densenet", "pretrained", "own"]
    from_scratch: Literal["true", "false"]
    schedule: Literal["constant", "exponential", "plateau", "cosine", "one_cycle"]


FAMILY_TABLES: Mapping[str, tuple[type[Section], type[Section]]] = {
    "plain": (Plain, Block),
    "vgg": (Vgg, VggBlock),
    "resnet": (ResNet, UnitBlock),
    "mobilenet": (MobileNet, UnitBlock),
    "densenet": (DenseNet, DenseBlock),
    "pretrained": (Pretrained, _NoBlock),
}
"""The table of a network and that of one of its blocks, by the name of the family."""
_SHAPE_OF_WIDTHS = ("width_growth", "width_limit")
OWN = "own"
"""The family of networks of one's own, and the parameter that names one of them."""
_OF_OWN = f"{OWN}_"
"""How the settings of such a network begin; which there are, the network knows."""


def block_fields(family: str) -> tuple[str, ...]:
    """Return the names of a block's parameters, which are its fields."""
    return tuple(FAMILY_TABLES[family][1].model_fields)


def network_fields(family: str) -> tuple[str, ...]:
    """Return the names of a family's parameters of the network as a whole."""
    fields = FAMILY_TABLES[family][0].model_fields
    return tuple(name for name in fields if name not in _WITH_OWN_NAMES)


_WITH_OWN_NAMES = ("family", "blocks", "dense", *Transfer.model_fields, "unfreezing")
"""Fields of a network's table that are no parameters, or such of other values."""
BLOCK_NAMES = tuple(
    dict.fromkeys(name for family in FAMILY_TABLES for name in block_fields(family))
)
DENSE_NAMES = {f"dense_{name}": name for name in Dense.model_fields}
UNFREEZING_NAMES = {f"unfreeze_{name}": name for name in Unfreezing.model_fields}
_TRANSFER_NAMES = (
    *(*Transfer.model_fields, *UNFREEZING_NAMES),
    *(f"{name}_{step}" for name in UNFREEZING_NAMES for step in range(1, MAX_UNFREEZING + 1)),
)
OPTIMIZER_NAMES = {"optimizer": "name", "lr": "lr", "weight_decay": "weight_decay"}
TRAINING_NAMES = (
    *("batch_size", "label_smoothing", "ema_decay", "class_weights", "initial_bias"),
    *("l1_after_epochs", "patience_epochs", "patience_on"),
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
    for family, (network, block) in FAMILY_TABLES.items():
        for name in network_fields(family):
            yield name, network, name
        for name in block_fields(family):
            yield name, block, name
    for name, field in DENSE_NAMES.items():
        yield name, Dense, field
    for name in Transfer.model_fields:
        yield name, Transfer, name
    for name, field in UNFREEZING_NAMES.items():
        yield name, Unfreezing, field
    for name, field in OPTIMIZER_NAMES.items():
        yield name, Optimizer, field
    yield OWN, Own, "name"
    for name in TRAINING_NAMES:
        yield name, Training, name
    for name in _Names.model_fields:
        yield name, _Names, name
    for name, (_, _, model, field) in SPECIAL_NAMES.items():
        yield name, model, field
    for name in Augmentation.model_fields:
        yield name, Augmentation, name
    yield "normalisation", Data, "normalisation"


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
        for names, last in (
            (BLOCK_NAMES, MAX_BLOCKS),
            (tuple(DENSE_NAMES), MAX_DENSE),
            (tuple(UNFREEZING_NAMES), MAX_UNFREEZING),
        )
        for name in names
        for number in range(1, last + 1)
    }
    return plain | numbered


def _families_of() -> dict[str, set[str]]:
    """Return the families in which a name has an effect, for names that not all have."""
    names: dict[str, set[str]] = {}
    for family in FAMILY_TABLES:
        plain = block_fields(family)
        numbered = (f"{name}_{number}" for name in plain for number in range(1, MAX_BLOCKS + 1))
        shape = _SHAPE_OF_WIDTHS if "width" in plain else ()
        depth = ("depth",) if plain else _TRANSFER_NAMES
        for name in (*plain, *numbered, *shape, *depth, *network_fields(family)):
            names.setdefault(name, set()).add(family)
    return {name: own for name, own in names.items() if len(own) < len(FAMILY_TABLES)}


_ADAPTERS = _adapters()
_FAMILIES_OF = _families_of()
_OF_NETWORKS = {
    *(*BLOCK_NAMES, *DENSE_NAMES, *_SHAPE_OF_WIDTHS, *Transfer.model_fields, *UNFREEZING_NAMES),
    *(name for family in FAMILY_TABLES for name in network_fields(family)),
}
"""Names of what a network of one's own decides for itself, without numbers."""


_OTHERWISE = {
    "learning_rate": "lr",
    "dropout": "drop_rate",
    "dropout_rate": "drop_rate",
    "filters": "width",
    "n_filters": "width",
    "channels": "width",
    "layers": "depth",
    "n_layers": "depth",
    "kernel": "kernel_size",
    "batch": "batch_size",
    "optimiser": "optimizer",
    "wd": "weight_decay",
}
"""What else the field calls some parameters."""


def faults(values: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return a message for each name or value that no network or training could have.

    Args:
        values: the values that a parameter may take, or the ends of its range, by name.
    """
    messages = []
    for name, possible in values.items():
        if is_setting(name):
            continue
        if name not in _ADAPTERS:
            known = _OTHERWISE.get(name)
            hint = f"; here it is {known}" if known else did_you_mean(name, _ADAPTERS)
            messages.append(f"{name}: no parameter of the networks or their training{hint}")
        else:
            messages += [f"{name}: {fault}" for value in possible for fault in _fault(name, value)]
    return messages


def idle(
    values: Mapping[str, Sequence[Value]], defaults: Mapping[str, Sequence[Value]]
) -> list[str]:
    """Return a message for each parameter that can have no effect beside the others.

    Args:
        values: as for `faults`, free of them.
        defaults: what `family`, `depth`, `dense_depth`, `unfreeze_steps`, `optimizer` and
            `schedule` may be where they are not among the values.
    """
    messages = []
    beside = {**defaults, **values}
    for name in values:
        if not any(is_of(str(family), name) for family in beside["family"]):
            having = (family for family in (*FAMILY_TABLES, OWN) if is_of(family, name))
            families = " or ".join(sorted(having))
            messages.append(f"{name}: has an effect only where family is {families}")
            continue
        plain, _, number = name.rpartition("_")
        if number.isdigit():
            of, unit = _counted(plain)
            if int(number) > (most := max(int(value) for value in beside[of])):
                messages.append(f"{name}: there is no such {unit}, {of} is at most {most}")
        elif name in DENSE_NAMES or name in UNFREEZING_NAMES:
            of, _ = _counted(name)
            if not max(int(value) for value in beside[of]):
                messages.append(f"{name}: has an effect only where {of} is at least 1")
        elif name in SPECIAL_NAMES:
            choice, option, _, _ = SPECIAL_NAMES[name]
            if option not in beside[choice]:
                messages.append(f"{name}: has an effect only where {choice} is {option}")
    return messages


def _counted(plain: str) -> tuple[str, str]:
    """Return the parameter that says how many of a name's numbers there are, and of what."""
    if plain in UNFREEZING_NAMES:
        return "unfreeze_steps", "step"
    return ("dense_depth", "layer") if plain in DENSE_NAMES else ("depth", "block")


def is_of(family: str, name: str) -> bool:
    """Tell whether a parameter can have an effect in networks of a family."""
    if name == OWN or is_setting(name):
        return family == OWN
    if family == OWN:
        return name in Penalties.model_fields or plain_name(name) not in _OF_NETWORKS
    return family in _FAMILIES_OF.get(name, {family})


def is_setting(name: str) -> bool:
    """Tell whether a parameter is a setting of a network of one's own."""
    return name.startswith(_OF_OWN) and name.removeprefix(_OF_OWN).isidentifier()


def settings(params: Params) -> dict[str, Value]:
    """Return the settings of a network of one's own by the names that it knows them by."""
    return {
        name.removeprefix(_OF_OWN): value for name, value in params.items() if is_setting(name)
    }


def plain_name(name: str) -> str:
    """Return a name without the number of a block or dense layer."""
    plain, _, number = name.rpartition("_")
    return plain if number.isdigit() else name


def _fault(name: str, value: Value) -> list[str]:
    """Say what is wrong with one value, in a list of one, or return an empty list."""
    try:
        _ADAPTERS[name].validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        return [f"{reason[0].lower()}{reason[1:]}, got {value!r}"]
    return []
