"""Small networks of each family, for images of 16 pixels."""

from typing import Any

IMAGE_SIZE = 16

SMALL: dict[str, dict[str, Any]] = {
    "vgg": {"depth": 2, "width": 4, "convolutions": 1, "pointwise_2": 1, "dense_width_1": 6},
    "resnet": {
        "depth": 2,
        "width": 3,
        "units": 2,
        "stem_width": 4,
        "stem_kernel_size": 5,
        "stem_stride": 1,
        "expansion": 2,
    },
    "mobilenet": {
        "depth": 2,
        "width": 4,
        "units": 2,
        "stem_width": 4,
        "expansion": 2,
        "last_width": 6,
    },
    "densenet": {"depth": 2, "units": 2, "growth": 3, "stem_width": 4, "dense_depth": 1},
}


def small(family: str, **params: Any) -> dict[str, Any]:
    """Return the parameters of a small network, 8 images a batch."""
    own = {"family": family, "dense_width": 6, **SMALL[family], **params}
    # What `make_config` has for plain networks would win over these families' own defaults.
    return {"depth": 2, "width": 4, **own}
