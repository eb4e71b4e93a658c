"""A network's layers by the names that people use, such as block3.conv1."""

import difflib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import nn

from commands.errors import UserError
from mame_cnn.network import CohortNetwork

Layers = Mapping[str, nn.Module]
"""From the input to the output; all return maps [N, C, h, w] of a network alone."""


def put_in_plain_order(network: CohortNetwork) -> None:
    """Let every activation precede its block's pooling again, which changes no answer.

    Trained networks pool first where that is the same (`mame_cnn.network`), as it is faster.
    Looked at, the activations are wanted at their full size.
    """
    for number, block in enumerate(network.blocks):
        layers = list(block.named_children())
        names = [name for name, _ in layers]
        if "pool" in names:
            place = names.index("pool")
            if names[place + 1].startswith("activation"):
                layers[place : place + 2] = [layers[place + 1], layers[place]]
                network.blocks[number] = nn.Sequential(OrderedDict(layers))


def map_layers(network: CohortNetwork) -> dict[str, nn.Module]:
    """Return all layers of all blocks; dropout is left out, as it changes nothing any more."""
    return {
        f"block{number}.{name}": layer
        for number, block in enumerate(network.blocks, start=1)
        for name, layer in block.named_children()
        if name != "dropout"
    }


def last_activations(layers: Layers) -> list[str]:
    """Return the name of each block's last activation, the last block's at the end."""
    by_block = {
        name.partition(".")[0]: name for name in layers if name.partition(".")[2][:3] == "act"
    }
    return list(by_block.values())


def check_names(names: Sequence[str], layers: Layers, option: str, whose: str) -> None:
    """Raise `UserError` naming every layer that a network lacks, with the nearest names."""
    faults = []
    for name in names:
        if name not in layers:
            nearest = difflib.get_close_matches(name, layers, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
            faults.append(f"{option} {name}: {whose} has no such layer{hint}")
    if faults:
        raise UserError("\n".join([*faults, f"its layers: {', '.join(layers)}"]))
