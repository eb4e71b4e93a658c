"""The layers of a network by name, found in its graph, and sets of them.

A layer is a convolution or a dense layer; what it says is taken after the normalisation and the
activation that follow it directly. The last dense layer, which only names classes, is none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torchvision
from torch import fx, nn
from torchvision.models.feature_extraction import NodePathTracer, create_feature_extractor

from commands.errors import UserError
from commands.nearest import did_you_mean
from mame_cnn import layers as cohort
from mame_cnn.layers.activation import CohortPReLU

SETS = {
    "all": "every convolution and every dense layer but the last: the full-network embedding",
    "convolutions": "every convolution",
    "block_ends": "the last convolution of each size of map",
    "last": "the last convolution",
}
"""Names that stand for several layers of any network."""

_CONVOLUTIONS = (nn.Conv2d, torchvision.ops.Conv2dNormActivation, cohort.CohortConv2d)
_DENSE = (nn.Linear, cohort.CohortLinear)
_NORMS = (nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm, nn.LayerNorm, cohort.CohortBatchNorm2d)
_ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.PReLU),
    *(CohortPReLU,),
)
_FUNCTIONS = (torch.relu, nn.functional.relu, nn.functional.silu, nn.functional.gelu)
_OURS = (
    *(cohort.CohortConv2d, cohort.CohortLinear, cohort.CohortBatchNorm2d, CohortPReLU),
    *(cohort.CohortDropout, cohort.GlobalPool, cohort.Pool),
)
# Not looked into: what torchvision does not look into either, gates and skips among it, and ours.
_WHOLE = [
    kind
    for kind in (*vars(torchvision.ops).values(), *_OURS)
    if isinstance(kind, type) and issubclass(kind, nn.Module)
]


@dataclass(frozen=True)
class Layer:
    """One layer of a network."""

    name: str
    """`block5_conv3` is the third convolution of the fifth size of map, `fc1` the first dense."""
    node: str
    """What torchvision calls it in the network's graph."""
    output: str
    """The node after its normalisation and activation, whose values are its features."""
    n_features: int
    """Channels or units."""
    map_px: int
    """Side of its maps; 0 for a dense layer, which has none."""


def find_layers(network: nn.Module, shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """Return a network's layers in the order of their computation.

    Raises `RuntimeError`, torch's own, where images of this shape are too small for the network.

    Args:
        network: takes images [N, C, H, W]; in evaluation.
        shape: of an image, [C, H, W].
    """
    tracer = NodePathTracer(**_tracer())
    graph = tracer.trace(network)
    found = [node for node in graph.nodes if isinstance(_module(network, node), _CONVOLUTIONS)]
    dense = [node for node in graph.nodes if isinstance(_module(network, node), _DENSE)][:-1]
    names = tracer.node_to_qualname
    layers = [
        Layer("", names[node], names[_end(network, node)], 0, 0)
        for node in graph.nodes
        if node in found or node in dense
    ]
    return _named(_measured(network, layers, shape))


def extractor(network: nn.Module, layers: Sequence[Layer]) -> nn.Module:
    """Return a module that gives the layers' outputs by their names."""
    extracting: nn.Module = create_feature_extractor(
        network,
        return_nodes={layer.output: layer.node for layer in layers},
        tracer_kwargs=_tracer(),
        suppress_diff_warning=True,
    )
    return extracting.eval()


def chosen(layers: Sequence[Layer], wanted: Sequence[str], whose: str) -> tuple[Layer, ...]:
    """Return the layers of these names, or sets of them, in the network's order.

    Raises `UserError` naming every unknown one, with the nearest names.

    Args:
        whose: the network's name, for the message.
    """
    by_name = {name: [layer] for layer in layers for name in (layer.node, layer.name)}
    by_name |= _sets(layers)
    faults = []
    for name in wanted:
        if name not in by_name:
            hint = did_you_mean(name, by_name, n_most=3)
            faults.append(f"layers: {name}: {whose} has no such layer{hint}")
    if faults:
        told = (f"its layers: {', '.join(layer.name for layer in layers)}", _told_sets())
        raise UserError("\n".join([*faults, *told]))
    names = {layer.name for name in wanted for layer in by_name[name]}
    if not names:
        raise UserError(f"layers: {whose} has none of these: {', '.join(wanted)}")
    return tuple(layer for layer in layers if layer.name in names)


def _tracer() -> dict[str, Any]:
    """Return how graphs are drawn: anew each time, as torchvision changes what it gets."""
    return {"autowrap_modules": (math, torchvision.ops), "leaf_modules": list(_WHOLE)}


def _sets(layers: Sequence[Layer]) -> dict[str, list[Layer]]:
    convolutions = [layer for layer in layers if layer.map_px]
    ends = {layer.name.partition("_")[0]: layer for layer in convolutions}
    return {
        "all": list(layers),
        "convolutions": convolutions,
        "block_ends": list(ends.values()),
        "last": convolutions[-1:],
    }


def _told_sets() -> str:
    return "or: " + "; ".join(f"{name} ({what})" for name, what in SETS.items())


def _module(network: nn.Module, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _end(network: nn.Module, node: fx.Node) -> fx.Node:
    """Return the last of the normalisations and activations that alone use a node's output."""
    while len(node.users) == 1:
        [user] = node.users
        is_function = user.op == "call_function" and user.target in _FUNCTIONS
        if not is_function and not isinstance(_module(network, user), _NORMS + _ACTIVATIONS):
            break
        node = user
    return node


def _measured(
    network: nn.Module, layers: Sequence[Layer], shape: tuple[int, int, int]
) -> list[Layer]:
    """Return the layers with the sizes that one image of nothing shows."""
    if not layers:
        return []
    like = next(network.parameters())
    image = torch.zeros((1, *shape), dtype=like.dtype, device=like.device)
    with torch.inference_mode():
        outputs = extractor(network, layers)(image)
    measured = []
    for layer in layers:
        output = outputs[layer.node]  # [1, C, h, w], [1, F], or [1, 1, F] of a cohort
        is_map = output.ndim == 4
        n_features = output.shape[1] if is_map else output.shape[-1]
        measured.append(
            replace(layer, n_features=n_features, map_px=output.shape[-1] if is_map else 0)
        )
    return measured


def _named(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Number the layers: convolutions within each size of map, dense ones by themselves."""
    sizes = list(dict.fromkeys(layer.map_px for layer in layers if layer.map_px))
    counts = dict.fromkeys([*sizes, 0], 0)
    named = []
    for layer in layers:
        counts[layer.map_px] += 1
        number = counts[layer.map_px]
        block = f"block{sizes.index(layer.map_px) + 1}_conv{number}" if layer.map_px else ""
        named.append(replace(layer, name=block or f"fc{number}"))
    return tuple(named)
