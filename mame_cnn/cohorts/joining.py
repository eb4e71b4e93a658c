"""Members that join those of a network of the same shape."""

import torch

from mame_cnn.families.network import CohortNetwork
from mame_cnn.layers import CohortDropout


def join(network: CohortNetwork, newcomers: CohortNetwork) -> None:
    """Add the newcomers after the network's members; its parameters become new tensors."""
    for own, new in zip(network.modules(), newcomers.modules(), strict=True):
        if isinstance(own, CohortDropout) and isinstance(new, CohortDropout):
            own.admit(new)
    own_tensors = (*network.parameters(), *network.buffers())
    new_tensors = (*newcomers.parameters(), *newcomers.buffers())
    for own_tensor, new_tensor in zip(own_tensors, new_tensors, strict=True):
        own_tensor.data = torch.cat([own_tensor.data, new_tensor.data])
