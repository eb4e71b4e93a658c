"""What networks of every family are to those who train, keep and look at them."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mame_cnn.configuration.layered import Blocked, Coefficients
from mame_cnn.configuration.network import Penalties
from mame_cnn.layers import CohortConv2d, CohortDropout, CohortLinear


class CohortNetwork(nn.Module):
    """T networks of one shape; they may differ in their coefficients.

    Takes images [N, C, H, W] that all members share or [T, N, C, H, W]; returns logits
    [T, N, K]. Every parameter and buffer leads with T.
    """

    def __init__(self) -> None:
        super().__init__()
        self.precision: torch.dtype | None = None
        """What maps are computed in; None for the weights' type."""

    @classmethod
    def map_sizes(cls, network: Any, image_size: int) -> list[int]:
        """Return the height (= width) in pixels of each block's output; 0: nothing is left."""
        return []

    @classmethod
    def infeasible(cls, network: Any, image_size: int) -> str | None:
        """Say which block's pooling leaves no pixel of the image, or None if all leave some."""
        before = image_size
        for number, after in enumerate(cls.map_sizes(network, image_size), start=1):
            if after == 0:
                return (
                    f"block {number}: pooling by {network.blocks[number - 1].pool_size} would "
                    f"shrink its map of {before} pixels below 1 (images of {image_size} pixels)"
                )
            before = after
        return None

    @property
    @abstractmethod
    def output_bias(self) -> nn.Parameter:
        """What is added to the members' logits, [T, K]."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every member, in the weights' type."""

    @abstractmethod
    def named_maps(self) -> dict[str, nn.Module]:
        """Return the layers of a network alone that return maps [N, C, h, w], by name, in order.

        The name's first part is the part of the network that they belong to, such as `block2`.
        """

    def weight(self) -> nn.Parameter:
        """Return one of the weights, whose type and device are those of all."""
        return next(self.parameters())

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw every layer's weights in order, each member from its own generator."""
        for module in self.modules():
            start = getattr(module, "initialise", None)
            if start is not None and module is not self:
                start(generators)

    def begin(self, epochs: Sequence[int]) -> None:
        """Make ready for the members' next epoch; most networks have nothing to do.

        Args:
            epochs: how many each member has completed.
        """

    def set_dropout_generators(self, generators: Sequence[torch.Generator]) -> None:
        """Give every dropout layer the members' generators, to be drawn from in turn."""
        for module in self.modules():
            if isinstance(module, CohortDropout):
                module.generators = generators

    def select(self, slots: Sequence[int]) -> None:
        """Keep only the members in these slots; parameters become new tensors."""
        for module in self.modules():
            if isinstance(module, CohortDropout):
                module.select(slots)
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = tensor.data[list(slots)]

    def named_kernels(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the kernels of all layers with the layers' names, from input to output."""
        for name, module in self.named_modules():
            if isinstance(module, (CohortConv2d, CohortLinear)):
                yield name, module.weight

    def kernels(self) -> list[nn.Parameter]:
        """Return the kernels of all layers, from the input to the output."""
        return [kernel for _, kernel in self.named_kernels()]

    def first_kernel(self) -> Tensor:
        """Return the kernel of the first member's first layer, [O, C, k, k]."""
        return self.kernels()[0][0]

    def penalised(self, member: Any) -> Sequence[tuple[nn.Parameter, Coefficients | Penalties]]:
        """Return every hidden kernel with a member's coefficients for it.

        Args:
            member: its table of the configuration.
        """
        found = ((kernel, coefficients_of(name, member)) for name, kernel in self.named_kernels())
        return [(kernel, own) for kernel, own in found if own is not None]

    def member_state(self, slot: int) -> dict[str, Tensor]:
        """Return copies of one member's weights and statistics, in torch.nn's plain shapes."""
        return {name: tensor[slot].clone() for name, tensor in self.state_dict().items()}

    def load_member_state(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Overwrite one member's weights and statistics.

        Raises `ValueError` naming every entry that is missing, unexpected or of another shape.
        """
        if faults := self.state_faults({name: (*t.shape,) for name, t in state.items()}):
            raise ValueError("\n".join(faults))
        own = self.state_dict()
        for name, tensor in state.items():
            own[name][slot].copy_(tensor)

    def state_faults(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Return how shapes, by name, differ from those of a member's weights and statistics."""
        own = {name: (*tensor.shape[1:],) for name, tensor in self.state_dict().items()}
        faults = [f"{name}: missing" for name in own.keys() - shapes.keys()]
        faults += [f"{name}: unexpected" for name in shapes.keys() - own.keys()]
        faults += [
            f"{name}: expected shape {own[name]}, got {shape}"
            for name, shape in shapes.items()
            if own.get(name, shape) != shape
        ]
        return sorted(faults)


def coefficients_of(name: str, member: Blocked) -> Coefficients | None:
    """Return the coefficients of the layer of this name; None for the output layer.

    What stands before the blocks has those of the first, what follows them those of the last.
    """
    part, _, within = name.removeprefix("module.").partition(".")
    match part:
        case "blocks":
            return member.blocks[int(within.partition(".")[0])]
        case "stem":
            return member.blocks[0]
        case "last":
            return member.blocks[-1]
        case "dense":
            return member.dense[int(within.removeprefix("linear")) - 1]
        case _:
            return None
