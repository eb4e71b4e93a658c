"""Trained networks in a form whose graph can be drawn.

`torch.fx` follows one image shape through a network; a cohort's own `forward` asks whether
members share their images, and runs one member after the other, which no graph shows.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mame_cnn.explaining.layers import put_in_plain_order
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.families.layered import LayeredNetwork
from mame_cnn.families.modules import CohortOfModules
from mame_cnn.families.pretrained import PretrainedNetwork


def traceable(network: CohortNetwork) -> nn.Module:
    """Return a cohort of one, of any family, as a module that takes images [N, C, H, W].

    It shares the network's weights, and computes the same.
    """
    match network:
        case LayeredNetwork():
            put_in_plain_order(network)  # activations before their pooling, at full size
            return _Layered(network)
        case PretrainedNetwork():
            return _Pretrained(network)
        case CohortOfModules():
            return _alone(network.module)
        case _:
            raise TypeError(f"a network of an unknown kind: {type(network).__name__}")


class _Layered(nn.Module):
    """A network made of cohort layers."""

    def __init__(self, network: LayeredNetwork) -> None:
        super().__init__()
        self.stem, self.blocks, self.last = network.stem, network.blocks, network.last
        self.head, self.dense, self.output = network.head, network.dense, network.output
        self.n_metadata = network.n_metadata

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [1, N, K]."""
        vectors = self.head(self.last(self.blocks(self.stem(images))))
        if self.n_metadata:  # of which nobody tells anything
            vectors = F.pad(vectors, (0, self.n_metadata))
        logits: Tensor = self.output(self.dense(vectors))
        return logits


class _Pretrained(nn.Module):
    """A head of cohort layers on a backbone of plain modules."""

    scale: Tensor  # [C, 1, 1]
    offset: Tensor  # [C, 1, 1]

    def __init__(self, network: PretrainedNetwork) -> None:
        super().__init__()
        self.register_buffer("scale", network.input_scale[0].view(-1, 1, 1))
        self.register_buffer("offset", network.input_offset[0].view(-1, 1, 1))
        self.blocks = nn.Sequential(*_blocks(network))
        self.pooled = network.table.head
        self.norm = network.head_norm or nn.Identity()
        self.dense, self.output = network.dense, network.output

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [1, N, K]."""
        maps = self.blocks(images * self.scale + self.offset)
        if self.pooled == "flatten":
            vectors = maps.flatten(1)
        else:
            vectors = maps.mean((2, 3)) if self.pooled == "average" else maps.amax((2, 3))
        logits: Tensor = self.output(self.dense(self.norm(vectors.unsqueeze(0))))
        return logits


def _blocks(network: PretrainedNetwork) -> list[nn.Module]:
    """Return all blocks, those that all members share and those of the first member."""
    stacked = () if network.blocks is None else network.blocks.children()
    return [*network.frozen, *map(_alone, stacked)]


@torch.no_grad()
def _alone(module: nn.Module) -> nn.Module:
    """Return modules of the same kinds with the weights of the first member of stacked ones."""
    # A copy of the modules but not of their tensors, of which views take the place.
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    own = copy.deepcopy(module, tensors)
    for layer in own.modules():
        for name, weight in list(layer.named_parameters(recurse=False)):
            setattr(layer, name, nn.Parameter(weight[0], requires_grad=False))
        for name, tensor in list(layer.named_buffers(recurse=False)):
            setattr(layer, name, tensor[0])
    return own
