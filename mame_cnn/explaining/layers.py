"""A network's layers by the names that people use, such as block3.conv1."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import nn

from commands.errors import UserError
from commands.nearest import did_you_mean
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.families.layered import LayeredNetwork
from mame_cnn.layers.activation import CohortPReLU

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
Layers = Mapping[str, nn.Module]
"""From the input to the output; all return maps [N, C, h, w] of a network alone."""


def put_in_plain_order(network: CohortNetwork) -> None:
    """Let every activation precede its block's pooling again, which changes no answer.

    Trained networks pool first where that is the same (`mame_cnn.families.plain`), as it is
    faster. Looked at, the activations are wanted at their full size.
    """
    if not isinstance(network, LayeredNetwork):
        return
    for number, block in enumerate(network.blocks):
        layers = list(block.named_children())
        names = [name for name, _ in layers]
        if "pool" in names:
            place = names.index("pool")
            if names[place + 1].startswith("activation"):
                layers[place : place + 2] = [layers[place + 1], layers[place]]
                network.blocks[number] = nn.Sequential(OrderedDict(layers))


def last_activations(layers: Layers) -> list[str]:
    """Return the name of each block's last activation, the last block's at the end.

    And of what stands before and after the blocks. The last layer where there is no activation.
    """
    by_block = {
        name.partition(".")[0]: name for name, layer in layers.items() if is_activation(layer)
    }
    return list(by_block.values()) or list(layers)[-1:]


def is_activation(layer: nn.Module) -> bool:
    """Tell whether a layer does no more than to bend what comes in."""
    return isinstance(layer, (CohortPReLU, nn.PReLU, *_ACTIVATIONS))


def check_names(names: Sequence[str], layers: Layers, option: str, whose: str) -> None:
    """Raise `UserError` naming every layer that a network lacks, with the nearest names."""
    faults = []
    for name in names:
        if name not in layers:
            hint = did_you_mean(name, layers, n_most=3)
            faults.append(f"{option} {name}: {whose} has no such layer{hint}")
    if faults:
        raise UserError("\n".join([*faults, f"its layers: {', '.join(layers)}"]))
