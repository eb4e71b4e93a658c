"""Linear map for T members: one batched matrix product."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mame_cnn.layers.initialisation import he_normal_


class CohortLinear(nn.Module):
    """Maps [T, N, F] to [T, N, O]."""

    def __init__(self, n_members: int, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_members, out_features, in_features))  # [T, O, F]
        self.bias = nn.Parameter(torch.empty(n_members, out_features))  # [T, O]

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw He-normal weights, each member from its own generator; biases start at 0."""
        he_normal_(self.weight, generators)
        nn.init.zeros_(self.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the mapped vectors."""
        return torch.baddbmm(self.bias.unsqueeze(1), vectors, self.weight.transpose(1, 2))
