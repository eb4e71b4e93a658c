"""A network's layers as a table: what each returns, and how many weights it has."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mame_cnn.configuration.network import Network
from mame_cnn.families.network import build_network


@dataclass(frozen=True)
class LayerRow:
    """One layer of one network."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Of what it returns of an image: channels, height and width, or units."""
    n_parameters: int
    """Trainable ones."""


def layer_table(
    network: Network, *, channels: int, image_size: int, n_classes: int
) -> tuple[LayerRow, ...]:
    """Return the layers of a network in the order in which they compute, without computing.

    Args:
        channels: of the images.
        image_size: side of the images in pixels.
        n_classes: how many logits there are.
    """
    rows: list[LayerRow] = []
    with torch.device("meta"):
        built = build_network(
            [network], channels=channels, image_size=image_size, n_classes=n_classes
        )
        images = torch.empty(1, channels, image_size, image_size)

    def note(name: str, layer: nn.Module, returned: Tensor) -> None:
        n_parameters = sum(weight.numel() for weight in layer.parameters())
        kind = type(layer).__name__.removeprefix("Cohort").removeprefix("Member")
        rows.append(LayerRow(name, kind, _shape(returned), n_parameters))

    for name, layer in built.named_modules():
        if not any(layer.children()) and not isinstance(layer, nn.Identity | nn.Sequential):
            layer.register_forward_hook(
                lambda layer, _, returned, name=name: note(name, layer, returned)
            )
    with torch.no_grad():
        built.eval()(images)
    return tuple(rows)


def _shape(returned: Tensor) -> tuple[int, ...]:
    """Return the shape of one member's part of one image: maps have a height and a width."""
    return tuple(returned.shape[1:] if returned.ndim == 4 else returned.shape[-1:])
