"""All weights of a cohort in one matrix [T, P], a row a member, and their gradients likewise.

The parameters of the module become views into the matrix. An update rule then needs a handful
of operations for the whole cohort whatever the number of layers, and to drop a member is to
drop a row.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FlatParameters:
    """The weights and gradients of a module as matrices, chosen parameters first."""

    def __init__(self, parameters: Sequence[nn.Parameter], first: Sequence[nn.Parameter]):
        """Move the parameters, each [T, ...], into one matrix.

        Args:
            parameters: all trainable parameters.
            first: those that get the first columns, in this order.
        """
        chosen = {id(parameter) for parameter in first}
        self._parameters = [*first, *(p for p in parameters if id(p) not in chosen)]
        self._columns: dict[int, slice] = {}
        start = 0
        for parameter in self._parameters:
            width = parameter.shape[1:].numel()
            self._columns[id(parameter)] = slice(start, start + width)
            start += width
        self.n_first = sum(parameter.shape[1:].numel() for parameter in first)
        """How many columns the chosen parameters take."""
        example = self._parameters[0]
        self.weights = torch.empty(
            len(example), start, dtype=example.dtype, device=example.device
        )  # [T, P]
        self.gradients = torch.zeros_like(self.weights)  # [T, P]
        for parameter in self._parameters:
            columns = self.columns(parameter)
            view = self.weights[:, columns].view(parameter.shape)
            view.copy_(parameter.data)
            parameter.data = view

    def differentiate(self, loss: Tensor) -> None:
        """Overwrite the gradients with those of a scalar loss."""
        # Copied from autograd.grad: parameters that are rows of a matrix are not dense, and
        # backward() wants to accumulate into dense gradients.
        # Blocks that no member trains at present have no part in the loss: their gradient is 0.
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            self.gradients[:, self.columns(parameter)].copy_(gradient.flatten(1))

    def columns(self, parameter: nn.Parameter) -> slice:
        """Return the columns that a parameter takes."""
        return self._columns[id(parameter)]
