"""Networks of all families: built, counted, and known to be possible before they are built."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from commands.errors import UserError
from mame_cnn.configuration.network import Network
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.families.densenet import DenseNetwork
from mame_cnn.families.mobilenet import MobileNetwork
from mame_cnn.families.own import OwnCohort
from mame_cnn.families.plain import PlainNetwork
from mame_cnn.families.pretrained import PretrainedNetwork
from mame_cnn.families.resnet import ResNetwork
from mame_cnn.families.vgg import VggNetwork

__all__ = ["FAMILIES", "CohortNetwork", "build_network", "infeasible", "n_parameters"]


class Family(Protocol):
    """What builds networks of one family, and knows beforehand whether it can."""

    def __call__(
        self, members: Sequence[Any], *, channels: int, image_size: int, n_classes: int
    ) -> CohortNetwork:
        """Return networks, as `build_network` does."""

    def infeasible(self, network: Any, image_size: int) -> str | None:
        """Say why images of this size are too small, or return None."""


FAMILIES: Mapping[str, Family] = {
    "plain": PlainNetwork,
    "vgg": VggNetwork,
    "resnet": ResNetwork,
    "mobilenet": MobileNetwork,
    "densenet": DenseNetwork,
    "pretrained": PretrainedNetwork,
    "own": OwnCohort,
}
"""What builds a network, by the name of its family."""


def build_network(
    members: Sequence[Network], *, channels: int, image_size: int, n_classes: int
) -> CohortNetwork:
    """Return networks of one shape, whose weights are still to be drawn or loaded.

    Args:
        members: one table a network; all of one family and shape.
        channels: of the images.
        image_size: side of the images in pixels.
        n_classes: how many logits each has.
    """
    family = FAMILIES[members[0].family]
    return family(members, channels=channels, image_size=image_size, n_classes=n_classes)


def infeasible(network: Network, image_size: int, batch_size: int | None = None) -> str | None:
    """Say why images of this size are too small for a network, or return None.

    Args:
        batch_size: of a network that is to be trained: batch normalisation has nothing to compare
            with a single value of each channel.
    """
    reason = FAMILIES[network.family].infeasible(network, image_size)
    if reason is None and batch_size == 1 and not _trains_on_one(network, image_size):
        return (
            "training.batch_size: 1 image a batch leaves batch normalisation one value of each "
            f"channel, as a map of it shrinks to 1 pixel (images of {image_size} pixels) or a "
            "vector is normalised; expected 2 images or more, or no normalisation there"
        )
    return reason


def _trains_on_one(network: Network, image_size: int) -> bool:
    """Tell whether a step on a single image is possible, without computing anything."""
    for channels in (3, 1):  # those of the data are not known here, and all that it takes will do
        try:
            with torch.device("meta"):
                images = torch.empty(1, channels, image_size, image_size)
                built = build_network(
                    [network], channels=channels, image_size=image_size, n_classes=2
                )
        except UserError:
            continue
        built.begin([sys.maxsize])  # when the most is trained that ever is
        built.set_dropout_generators([torch.Generator()])
        try:
            with torch.no_grad():
                built.train()(images)
        except ValueError as error:
            return "more than 1 value per channel" not in str(error)
    return True


def n_parameters(network: Network, *, channels: int, image_size: int, n_classes: int) -> int:
    """Return the number of trainable weights of one network, without computing any."""
    with torch.device("meta"):
        built = build_network(
            [network], channels=channels, image_size=image_size, n_classes=n_classes
        )
    return sum(parameter.numel() for parameter in built.parameters())
