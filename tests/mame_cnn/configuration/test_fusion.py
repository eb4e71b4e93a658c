from typing import Any

import pytest

from mame_cnn.configuration.fusion import fusion_key, shared_names
from mame_cnn.configuration.network_parameters import with_defaults
from mame_cnn.configuration.parameters import DEFAULTS
from mame_cnn.configuration.vocabulary import Value, is_of
from tests.mame_cnn.factory import make_config

# Everything has an effect here, so that a name on which the key depends cannot hide.
BASE: dict[str, Any] = {
    **DEFAULTS,
    "depth": 3,
    "width_limit": 100,
    "optimizer": "sgd",
    "width_1": 8,
    "kernel_size_2": 5,
    "batch_norm_1": "before",
    "drop_rate_2": 0.1,
    "l1_1": 1e-4,
    "dense_depth": 2,
    "dense_width_1": 6,
    "dense_drop_rate_2": 0.3,
    "dense_l2_1": 1e-3,
}
OTHER_WORDS = {
    "family": "plain",
    "metadata": "size",
    "from_scratch": "false",
    "stem_pool": "none",
    "dense_batch_norm": "after",
    "dense_activation": "elu",
    "pool": "average",
    "batch_norm": "none",
    "batch_norm_1": "none",
    "activation": "elu",
    "head": "max",
    "optimizer": "rmsprop",
    "class_weights": "balanced",
    "initial_bias": "frequencies",
    "normalisation": "image",
    "patience_on": "loss",
}
FAMILIES = ("plain", "vgg", "resnet", "mobilenet", "densenet")
SCHEDULES: list[dict[str, Any]] = [
    {"schedule": "exponential"},
    {"schedule": "plateau"},
    {"schedule": "one_cycle"},
]


def of_family(family: str) -> dict[str, Any]:
    """Return parameters of one family, none of them hidden by a numbered one."""
    defaults = with_defaults({"family": family}, DEFAULTS)
    given = {name: value for name, value in defaults.items() if not name[-1].isdigit()}
    return {
        name: value
        for name, value in {**given, **BASE, "family": family}.items()
        if is_of(family, name) and name != "from_scratch"  # which pretrained networks must say
    }


def key(params: dict[str, Any]) -> str:
    return fusion_key(make_config(image_size=64, **params))


def other(name: str, value: Value) -> Value:
    if value == "plain":
        return "vgg"
    if name == "schedule":
        return "cosine"
    if isinstance(value, str):
        return OTHER_WORDS[name]
    step = 2 if "kernel_size" in name else 1
    return value + step if isinstance(value, int) else value * 0.9 + 0.01


@pytest.mark.parametrize(
    "params",
    [
        *({**of_family("plain"), **schedule} for schedule in SCHEDULES),
        *(of_family(family) for family in FAMILIES if family != "plain"),
    ],
    ids=lambda params: f"{params['family']}-{params['schedule']}",
)
def test_the_fusion_key_depends_on_the_shared_names_and_no_others(
    params: dict[str, Any],
) -> None:
    changing = {
        name
        for name, value in params.items()
        if key({**params, name: other(name, value)}) != key(params)
    }
    assert changing == shared_names(params)


def test_only_the_names_asked_about_are_returned() -> None:
    assert shared_names(["width_2", "lr", "l2_3"]) == {"width_2"}
