"""What to change, in the vocabulary of spaces: names of parameters by what they do."""

import re
from collections.abc import Iterable, Mapping

from search.space import wording
from search.space.values import Value

PENALTIES = ("l1", "l2", "dense_l1", "dense_l2", "weight_decay")
DROPOUT = ("drop_rate", "dense_drop_rate", "head_drop_rate")
REGULARISERS = (*PENALTIES, *DROPOUT, "label_smoothing")
AUGMENTATION = (
    *("rotation_degrees", "shift_x_fraction", "shift_y_fraction", "zoom_fraction"),
    *("shear_fraction", "flip_horizontal", "flip_vertical", "crop_pad_px", "color_pca_sd"),
)
CAPACITY = ("depth", "width", "convolutions", "dense_depth", "dense_width")

_NUMBER = re.compile(r"_\d+$")


def plain(name: str) -> str:
    """Return a parameter's name without the number of its block or layer."""
    return _NUMBER.sub("", name)


def among(names: Iterable[str], kinds: Iterable[str]) -> list[str]:
    """Return the names that are of these kinds, with or without a number."""
    kinds = set(kinds)
    return [name for name in names if name in kinds or plain(name) in kinds]


def strongest(params: Mapping[str, Value], kinds: Iterable[str], n: int = 3) -> str:
    """Return a trial's largest parameters of some kinds with their values, or nothing."""
    found = [(name, params[name]) for name in among(params, kinds)]
    numbers = [(name, value) for name, value in found if not isinstance(value, str) and value > 0]
    numbers.sort(key=lambda pair: -pair[1])
    return ", ".join(f"{name} {value:.3g}" for name, value in numbers[:n])


def own(params: Mapping[str, Value], name: str) -> str:
    """Return a trial's parameter in brackets, or nothing where it has none."""
    return f" ({name} {wording.value(params[name])})" if name in params else ""
