"""Blocks of a backbone, each of T members with weights of its own, some of which are trained."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call

Rows = Mapping[str, Sequence[Tensor]]


class StackedBlocks(nn.Module):
    """T copies of blocks of plain modules; parameters and buffers lead with T.

    Takes maps [N, C, H, W] that all members share or [T, N, C, H, W]; returns [T, N, C', H', W'].
    """

    def __init__(self, blocks: Mapping[int, nn.Module], n_members: int):
        """Make room for the members' weights.

        Args:
            blocks: in order, by their numbers; their modules are kept as templates.
        """
        super().__init__()
        # In a tuple, so that they are no part of this.
        self.templates = tuple(blocks.values())
        """The blocks that compute, with the weights of one member after the other."""
        for number, block in blocks.items():
            self.add_module(str(number), _stacked(block, n_members))
        self._numbers = tuple(blocks)
        self.first_trained = [max(blocks, default=0) + 1] * n_members
        """Each member's first block that is trained in this epoch, with all after it."""

    @torch.no_grad()
    def take(self, number: int, state: Mapping[str, Tensor]) -> None:
        """Give all members the same weights in one block."""
        for name, stacked in self.get_submodule(str(number)).state_dict().items():
            stacked.copy_(state[name].expand_as(stacked))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the last block's maps; in training, move statistics of what is trained."""
        blocks = [
            (number, template, self._rows(number))
            for number, template in zip(self._numbers, self.templates, strict=True)
        ]
        results = []
        for slot in range(len(next(self.parameters()))):
            own = maps[slot] if maps.ndim == 5 else maps
            for number, template, rows in blocks:
                state = {name: tensors[slot] for name, tensors in rows.items()}
                is_trained = self.training and number >= self.first_trained[slot]
                template.train(is_trained)
                with torch.no_grad() if self.training and not is_trained else nullcontext():
                    own = functional_call(template, state, (own,))
            results.append(own)
        return torch.stack(results)

    def _rows(self, number: int) -> Rows:
        """Return views of each member's tensors of a block, whose gradients meet in one tensor."""
        block = self.get_submodule(str(number))
        tensors = (*block.named_parameters(), *block.named_buffers())
        return {name: tensor.unbind(0) for name, tensor in tensors}


def _stacked(block: nn.Module, n_members: int) -> nn.Module:
    """Return modules named like those of a block, which hold its tensors T times."""
    holder = copy.deepcopy(block)
    for module in holder.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            # Without a device, so that they are made where the caller wants them.
            setattr(module, name, nn.Parameter(torch.empty(n_members, *parameter.shape)))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(n_members, *buffer.shape))
    return holder
