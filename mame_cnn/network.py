"""Networks of all families: built, counted, and known to be possible before they are built."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.families.densenet import DenseNetwork
from mame_cnn.families.mobilenet import MobileNetwork
from mame_cnn.families.own import OwnCohort
from mame_cnn.families.plain import PlainNetwork
from mame_cnn.families.pretrained import PretrainedNetwork
from mame_cnn.families.resnet import ResNetwork
from mame_cnn.families.vgg import VggNetwork
from mame_cnn.network_config import Network

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


def infeasible(network: Network, image_size: int) -> str | None:
    """Say why images of this size are too small for a network, or return None."""
    return FAMILIES[network.family].infeasible(network, image_size)


def n_parameters(network: Network, *, channels: int, image_size: int, n_classes: int) -> int:
    """Return the number of trainable weights of one network, without computing any."""
    with torch.device("meta"):
        built = build_network(
            [network], channels=channels, image_size=image_size, n_classes=n_classes
        )
    return sum(parameter.numel() for parameter in built.parameters())
