"""The plain convolutional network, for T members of one shape at once."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from mame_cnn.config import Block, Network
from mame_cnn.layers import (
    CohortBatchNorm2d,
    CohortConv2d,
    CohortDropout,
    CohortLinear,
    GlobalPool,
    Pool,
    make_activation,
)
from mame_cnn.layers.activation import NEVER_FALLING


def map_sizes(network: Network, image_size: int) -> list[int]:
    """Return the height (= width) in pixels of each block's output; 0 where nothing is left."""
    sizes = []
    for block in network.blocks:
        image_size //= block.pool_size
        sizes.append(image_size)
    return sizes


def infeasible(network: Network, image_size: int) -> str | None:
    """Say which block's pooling leaves no pixel of the image, or None if all leave some."""
    sizes = [image_size, *map_sizes(network, image_size)]
    for number, block in enumerate(network.blocks, start=1):
        if sizes[number] == 0:
            return (
                f"block {number}: pooling by {block.pool_size} would shrink its map of "
                f"{sizes[number - 1]} pixels below 1 (images of {image_size} pixels)"
            )
    return None


class CohortNetwork(nn.Module):
    """T networks of one shape; they may differ in their drop rates.

    Takes images [N, C, H, W] that all members share or [T, N, C, H, W]; returns logits
    [T, N, K].
    """

    def __init__(
        self, members: Sequence[Network], *, channels: int, image_size: int, n_classes: int
    ):
        super().__init__()
        n_members = len(members)
        shape = members[0]
        blocks = []
        for index, block in enumerate(shape.blocks):
            drop_rates = [member.blocks[index].drop_rate for member in members]
            blocks.append(_block(block, shape.activation, channels, drop_rates))
            channels = block.width
        self.blocks = nn.Sequential(*blocks)
        self.head = GlobalPool(shape.head, channels)
        self.head_dropout = CohortDropout([member.head_drop_rate for member in members])
        n_pixels = map_sizes(shape, image_size)[-1] ** 2
        features = channels * n_pixels if shape.head == "flatten" else channels
        dense: OrderedDict[str, nn.Module] = OrderedDict()
        for index, layer in enumerate(shape.dense):
            dense[f"linear{index + 1}"] = CohortLinear(n_members, features, layer.width)
            dense[f"activation{index + 1}"] = make_activation(shape.activation, n_members)
            dense[f"dropout{index + 1}"] = CohortDropout(
                [member.dense[index].drop_rate for member in members]
            )
            features = layer.width
        self.dense = nn.Sequential(dense)
        self.output = CohortLinear(n_members, features, n_classes)
        self.precision: torch.dtype | None = None
        """What the blocks compute in; None for the weights' type."""

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw every layer's weights in order, each member from its own generator."""
        for module in self.modules():
            start = getattr(module, "initialise", None)
            if start is not None and module is not self:
                start(generators)

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

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every member, in the weights' type."""
        if images.ndim == 5:  # [T, N, C, H, W] -> [N, T*C, H, W]
            images = images.transpose(0, 1).flatten(1, 2)
        dtype = self.output.weight.dtype
        is_mixed = self.precision not in (None, dtype)
        with torch.autocast(images.device.type, self.precision) if is_mixed else nullcontext():
            maps = self.blocks(images)
        # From here on little is computed, and rounding would reach the logits undamped.
        vectors = self.head_dropout(self.head(maps).to(dtype))
        logits: Tensor = self.output(self.dense(vectors))
        return logits

    def kernels(self) -> list[nn.Parameter]:
        """Return the kernels of all layers, from the input to the output."""
        return [
            module.weight
            for module in self.modules()
            if isinstance(module, (CohortConv2d, CohortLinear))
        ]

    def member_state(self, slot: int) -> dict[str, Tensor]:
        """Return copies of one member's weights and statistics, in torch.nn's plain shapes."""
        return {name: tensor[slot].clone() for name, tensor in self.state_dict().items()}

    def load_member_state(self, slot: int, state: dict[str, Tensor]) -> None:
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


def n_parameters(network: Network, *, channels: int, image_size: int, n_classes: int) -> int:
    """Return the number of trainable weights of one network, without building it."""
    with torch.device("meta"):
        built = CohortNetwork(
            [network], channels=channels, image_size=image_size, n_classes=n_classes
        )
    return sum(parameter.numel() for parameter in built.parameters())


def _block(
    block: Block, activation: str, channels: int, drop_rates: Sequence[float]
) -> nn.Sequential:
    """Build one block: convolutions with activation and normalisation, pooling, dropout."""
    n_members = len(drop_rates)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, block.convolutions + 1):
        layers[f"conv{number}"] = CohortConv2d(n_members, channels, block.width, block.kernel_size)
        if block.batch_norm == "before":
            layers[f"norm{number}"] = CohortBatchNorm2d(n_members, block.width)
        layers[f"activation{number}"] = make_activation(activation, n_members)
        if block.batch_norm == "after":
            layers[f"norm{number}"] = CohortBatchNorm2d(n_members, block.width)
        channels = block.width
    if block.pool_size > 1:
        layers["pool"] = Pool(block.pool, block.pool_size)
        if _pooling_commutes(block, activation):
            layers.move_to_end(f"activation{block.convolutions}")
    if block.batch_norm == "after_pool":
        layers["norm"] = CohortBatchNorm2d(n_members, block.width)
    layers["dropout"] = CohortDropout(drop_rates)
    return nn.Sequential(layers)


def _pooling_commutes(block: Block, activation: str) -> bool:
    """Whether the activation may follow the pooling, with fewer pixels to compute.

    The largest of f(x) is f of the largest x where f never falls; then values and gradients
    are the same in either order. A normalisation between the two would forbid it.
    """
    return block.pool == "max" and activation in NEVER_FALLING and block.batch_norm != "after"
