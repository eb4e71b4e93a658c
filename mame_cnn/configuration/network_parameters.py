"""How the flat parameters of a search become the table of a network, for each family.

What a family's parameters are by default is the network that the documents name after it: alone,
`family` gives that.
"""

from collections.abc import Mapping
from typing import Any

from commands.errors import UserError
from mame_cnn.configuration.network import Penalties
from mame_cnn.configuration.vocabulary import (
    DENSE_NAMES,
    FAMILY_TABLES,
    OWN,
    Params,
    Value,
    block_fields,
    plain_name,
    settings,
)

PRETRAINED = "pretrained"
FAMILY_DEFAULTS: Mapping[str, Mapping[str, Value]] = {
    "plain": {},
    # Those of the five Spanish painters.
    "vgg": {
        "depth": 4,
        "width": 64,
        "convolutions": 2,
        "pointwise": 0,
        "pointwise_3": 1,
        "pointwise_4": 1,
        "pool": "average",
        "batch_norm": "before",
        "dense_depth": 2,
        "dense_width_1": 16,
        "dense_width_2": 8,
        "dense_batch_norm": "before",
        "dense_activation": "prelu_per_unit",
    },
    "resnet": {
        "stem_width": 64,
        "stem_kernel_size": 7,
        "stem_stride": 2,
        "stem_pool": "max",
        "depth": 3,
        "width": 64,
        "units": 2,
        "units_1": 3,
        "units_2": 4,
        "units_3": 2,
        "stride": 2,
        "stride_1": 1,
        "expansion": 4,
        "head": "average",
        "dense_depth": 0,
    },
    "mobilenet": {
        "stem_width": 32,
        "stem_stride": 2,
        "depth": 5,
        "width": 16,
        "width_2": 24,
        "width_3": 32,
        "width_4": 64,
        "width_5": 96,
        "units": 2,
        "units_1": 1,
        "units_4": 4,
        "units_5": 3,
        "stride": 2,
        "stride_1": 1,
        "stride_5": 1,
        "expansion": 6,
        "last_width": 160,
        "activation": "relu6",
        "head": "average",
        "dense_depth": 0,
    },
    # DenseNet-121 (Huang et al. 2017, table 1).
    "densenet": {
        "stem_width": 64,
        "growth": 32,
        "depth": 4,
        "units": 6,
        "units_2": 12,
        "units_3": 24,
        "units_4": 16,
        "cut": 0,
        "dense_depth": 0,
    },
    # The second head of the transfer experiments on MAMe, whose L2 has no stated size: 0.01 is
    # Keras's default.
    PRETRAINED: {
        "backbone": "vgg16",
        "weights": "torchvision",
        "sha256": "",
        "head": "average",
        "head_batch_norm": "before",
        "dense_depth": 2,
        "dense_width": 512,
        "dense_l2": 0.01,
        "dense_drop_rate_1": 0.3,
        "unfreeze_lr": 1e-5,  # Keras's guide to transfer learning and fine-tuning
    },
    OWN: {},
}


_GROWING = {"width_growth", "width_limit"}


def with_defaults(params: Params, defaults: Params) -> dict[str, Value]:
    """Return parameters with those of their family, and then these defaults, where none is given.

    A plain name that is given counts for every block and layer that none is given for, and so
    does how widths grow.
    """
    of_family = FAMILY_DEFAULTS[str(params.get("family", defaults["family"]))]
    replaced = {*params, *(("width",) if _GROWING & params.keys() else ())}
    left = {name: value for name, value in of_family.items() if plain_name(name) not in replaced}
    return {**defaults, **left, **params}


def network_from_params(given: Params) -> dict[str, Any]:
    """Return the fields of a network's table; every name must be there."""
    family = str(given["family"])
    if family == OWN:
        if OWN not in given:
            raise UserError("own: missing; it names the network where family is own")
        penalties = {name: given[name] for name in Penalties.model_fields}
        return {"family": OWN, "name": given[OWN], **penalties, "settings": settings(given)}
    if family == PRETRAINED:
        # Imported here, as it brings torch along.
        from mame_cnn.pretrained.table import table_from_params

        dense = [_dense(given, number) for number in range(1, int(given["dense_depth"]) + 1)]
        return {**table_from_params(given), "dense": dense}
    table, _ = FAMILY_TABLES[family]
    numbers = range(1, int(given["depth"]) + 1)
    dense_numbers = range(1, int(given["dense_depth"]) + 1)
    content: dict[str, Any] = {
        "blocks": [_block(given, family, number) for number in numbers],
        "dense": [_dense(given, number) for number in dense_numbers],
    }
    return {name: content.get(name, given.get(name)) for name in table.model_fields}


def _block(given: Params, family: str, number: int) -> dict[str, Value]:
    """Return the fields of one block: the numbered name, else the plain one."""
    grown = float(given["width"]) * float(given["width_growth"]) ** (number - 1)
    plain = {**given, "width": min(round(grown), int(given["width_limit"]))}
    names = block_fields(family)
    return {name: given.get(f"{name}_{number}", plain[name]) for name in names}


def _dense(given: Params, number: int) -> dict[str, Value]:
    """Return the fields of one dense layer: the numbered name, else the plain one."""
    return {
        field: given.get(f"{name}_{number}", given[name]) for name, field in DENSE_NAMES.items()
    }
