"""The shapes that a network can have: those built here, on a backbone, or of one's own."""

from typing import Annotated, Literal

from pydantic import Field

from mame_cnn.configuration.layered import DenseNet, MobileNet, Plain, ResNet, Vgg
from mame_cnn.configuration.pretrained import Pretrained
from mame_cnn.configuration.section import Coefficient, PlainText, Section

MAX_SETTINGS = 64


class Penalties(Section):
    """What members of a cohort may differ in, of a network of one's own."""

    l1: Coefficient
    """Adds l1 * sum |w| over every kernel but that of the outputs to the loss of every step."""
    l2: Coefficient
    """Adds l2 * sum w^2 over the same kernels to the loss of every step."""


class Own(Penalties):
    """A torch module of one's own, under the name that it is registered by."""

    family: Literal["own"]
    name: PlainText = Field(min_length=1)
    """As given to `mame_cnn.families.own.register`."""
    settings: Annotated[
        dict[PlainText, bool | int | float | PlainText], Field(max_length=MAX_SETTINGS)
    ]
    """What it is made with, beside channels, image size and classes."""


Network = Annotated[
    Plain | Vgg | ResNet | MobileNet | DenseNet | Pretrained | Own,
    Field(discriminator="family"),
]
"""One of the families."""
