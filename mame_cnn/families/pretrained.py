"""A backbone with weights read from a file, and heads of T members on it.

Blocks that are never trained are one for all members, and no part of what a checkpoint keeps;
what a member's state holds is the whole network nevertheless. So a model's file needs no other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn

from commands.errors import UserError
from mame_cnn.configuration.pretrained import Pretrained
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.layers import (
    CohortBatchNorm1d,
    CohortDropout,
    CohortLinear,
    make_activation,
)
from mame_cnn.pretrained import source
from mame_cnn.pretrained.stacked import StackedBlocks
from mame_cnn.pretrained.unfreezing import first_trained


class PretrainedNetwork(CohortNetwork):
    """T heads on one backbone, of which each member may have some blocks of its own."""

    input_scale: Tensor  # [T, C]
    input_offset: Tensor  # [T, C]

    def __init__(
        self, members: Sequence[Pretrained], *, channels: int, image_size: int, n_classes: int
    ) -> None:
        super().__init__()
        self.table, n_members = members[0], len(members)
        n_channels = source.channels(self.table)
        if channels not in (1, n_channels):
            raise UserError(
                f"network.backbone: takes images of {n_channels} channels, the data's have "
                f"{channels}"
            )
        for name in ("input_scale", "input_offset"):
            self.register_buffer(name, torch.empty(n_members, n_channels))
        empty = dict(enumerate(source.empty_blocks(self.table), start=1))
        shape = _shape(empty.values(), n_channels, image_size)
        first = self.table.first_trained
        # In a list, which torch does not look into: it is no member's own.
        self._frozen = [
            block.eval().requires_grad_(False) for number, block in empty.items() if number < first
        ]
        own = {number: block for number, block in empty.items() if number >= first}
        self.blocks = StackedBlocks(own, n_members) if own else None
        features = shape.numel() if self.table.head == "flatten" else shape[0]
        self.reads_features = False
        """Whether it is given what its frozen part returns in place of images."""
        self.head_norm = None
        if self.table.head_batch_norm == "before":
            self.head_norm = CohortBatchNorm1d(n_members, features)
        self.head_dropout = CohortDropout([member.head_drop_rate for member in members])
        self.dense = _dense(members, features)
        features = self.table.dense[-1].width if self.table.dense else features
        self.output = CohortLinear(n_members, features, n_classes)

    @classmethod
    def infeasible(cls, network: Pretrained, image_size: int) -> str | None:
        """Say that images are smaller than the backbone accepts, or return None."""
        least = source.smallest_px(network)
        if image_size >= least:
            return None
        name = network.backbone if isinstance(network.backbone, str) else "the backbone"
        return f"{name} accepts images of {least} pixels or more, got {image_size}"

    @property
    def output_bias(self) -> nn.Parameter:
        """What is added to the members' logits, [T, K]."""
        return self.output.bias

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """The blocks that are never trained, plain modules that all members share."""
        return tuple(self._frozen)

    @property
    def n_frozen(self) -> int:
        """How many blocks are never trained."""
        return len(self._frozen)

    def weight(self) -> nn.Parameter:
        """Return one of the weights, whose type and device are those of all."""
        return self.output.weight

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw the heads, and read the backbone from its file.

        Raises `UserError` if that is missing, has another hash or another architecture's weights.
        """
        for part in (self.head_norm, *self.dense, self.output):
            for module in () if part is None else part.modules():
                start = getattr(module, "initialise", None)
                if start is not None:
                    start(generators)
        read = source.load(self.table)
        self._freeze(read.states[: self.n_frozen])
        if self.blocks is not None:
            for number, state in enumerate(read.states, start=1):
                if number > self.n_frozen:
                    self.blocks.take(number, state)
        self.input_scale.fill_(1)
        self.input_offset.fill_(0)

    @torch.no_grad()
    def fit_to(self, scale: Tensor, offset: Tensor, normalisation: str) -> None:
        """Make up for the difference between the data's normalisation and the backbone's.

        Args:
            scale: [C, 1, 1], 1 / (255 * deviation) of the data's pixels, as `DeviceData` has it.
            offset: [C, 1, 1], mean / deviation of the data's pixels.
            normalisation: of the data, as of a configuration.
        """
        read = source.load(self.table)
        if normalisation != read.normalisation:
            raise UserError(
                f'data.normalisation: the backbone was trained with "{read.normalisation}", '
                f'got "{normalisation}"'
            )
        if normalisation == "image":
            return
        std = 1 / (255 * scale.double().cpu().flatten())
        mean = offset.double().cpu().flatten() * std
        means, stds = (
            torch.tensor(values, dtype=torch.double) for values in (read.mean, read.std)
        )
        self.input_scale.copy_((std / stds).expand_as(self.input_scale))
        self.input_offset.copy_(((mean - means) / stds).expand_as(self.input_offset))

    def begin(self, epochs: Sequence[int]) -> None:
        """Train in the coming epoch what each member's steps have unfrozen.

        Args:
            epochs: how many each member has completed.
        """
        if self.blocks is not None:
            self.blocks.first_trained = [first_trained(self.table, epoch) for epoch in epochs]

    def frozen_features(self, images: Tensor) -> Tensor:
        """Return what all members share of images [N, C, H, W], in the weights' type.

        Maps [N, C', H', W'] if some blocks are a member's own, else vectors [N, F].
        """
        scale, offset = (row[0].view(-1, 1, 1) for row in (self.input_scale, self.input_offset))
        # Nothing in here is trained; pixels may be asked for their gradients nevertheless.
        with self._mixed(images):
            maps = images.to(scale.dtype) * scale + offset
            for block in self._frozen:
                maps = block(maps)
        return maps.to(self.weight().dtype) if self.blocks is not None else self._pooled(maps)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every member, in the weights' type."""
        features = images
        if not self.reads_features:
            is_shared = images.ndim == 4
            flat = images if is_shared else images.flatten(0, 1)
            features = self.frozen_features(flat)
            features = features if is_shared else features.unflatten(0, images.shape[:2])
        if self.blocks is not None:
            with self._mixed(features):
                maps = self.blocks(features)
            features = self._pooled(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        vectors = features.expand(len(self.weight()), *features.shape[-2:])  # [T, N, F]
        if self.head_norm is not None:
            vectors = self.head_norm(vectors)
        logits: Tensor = self.output(self.dense(self.head_dropout(vectors)))
        return logits

    def named_maps(self) -> dict[str, nn.Module]:
        """Return the backbone's layers, all of which return maps, by name, in order."""
        own = () if self.blocks is None else self.blocks.templates
        return {
            f"block{number}.{name}": layer
            for number, block in enumerate((*self._frozen, *own), start=1)
            for name, layer in block.named_modules()
            if name and not any(layer.children()) and not isinstance(layer, nn.Identity)
        }

    def named_kernels(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the kernels of the head, which alone are penalised and decay."""
        for name, module in self.named_modules():
            if isinstance(module, CohortLinear):
                yield name, module.weight

    def first_kernel(self) -> Tensor:
        """Return the kernel of the backbone's first layer, [O, C, k, k]."""
        weights = self._frozen_state() or {n: t[0] for n, t in self.state_dict().items()}
        first = next(weight for weight in weights.values() if weight.ndim >= 4)
        return first.flatten(0, -4)  # networks of this project come as cohorts of one

    def member_state(self, slot: int) -> dict[str, Tensor]:
        """Return copies of one member's weights and statistics, those of the backbone included."""
        return {**super().member_state(slot), **_copies(self._frozen_state())}

    def load_member_state(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Overwrite one member's weights and statistics; the frozen ones are all members'.

        Raises `ValueError` naming every entry that is missing, unexpected or of another shape.
        """
        if faults := self.state_faults({name: (*t.shape,) for name, t in state.items()}):
            raise ValueError("\n".join(faults))
        own = self.state_dict()
        for name, tensor in state.items():
            if name in own:
                own[name][slot].copy_(tensor)
        self._freeze(
            [
                {name: state[f"blocks.{number}.{name}"] for name in block.state_dict()}
                for number, block in enumerate(self._frozen, start=1)
            ]
        )

    def state_faults(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Return how shapes, by name, differ from those of a member's weights and statistics."""
        frozen = {name: (*tensor.shape,) for name, tensor in self._frozen_state().items()}
        right = {name for name, shape in frozen.items() if shapes.get(name) == shape}
        faults = super().state_faults({n: shape for n, shape in shapes.items() if n not in frozen})
        faults += [
            f"{name}: expected shape {frozen[name]}, got {shapes[name]}"
            if name in shapes
            else f"{name}: missing"
            for name in frozen.keys() - right
        ]
        return sorted(faults)

    def _apply(self, change: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for block in self._frozen:
            block._apply(change)
        moved: Self = super()._apply(change, recurse)  # type: ignore[no-untyped-call]  # torch's
        return moved

    def _freeze(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Give the frozen blocks their weights, which stay the file's own tensors."""
        like = self.weight()
        for block, state in zip(self._frozen, states, strict=True):
            own = {name: tensor.to(like) for name, tensor in state.items()}
            # Not strictly: torch adds the counters of normalisations, which blocks do not have.
            block.load_state_dict(own, strict=False, assign=True)

    def _frozen_state(self) -> dict[str, Tensor]:
        return {
            f"blocks.{number}.{name}": tensor
            for number, block in enumerate(self._frozen, start=1)
            for name, tensor in block.state_dict().items()
        }

    def _pooled(self, maps: Tensor) -> Tensor:
        """Return maps [N, C, H, W] as the head's vectors [N, F], in the weights' type."""
        maps = maps.to(self.weight().dtype)
        if self.table.head == "flatten":
            return maps.flatten(1)
        return maps.mean((2, 3)) if self.table.head == "average" else maps.amax((2, 3))

    def _mixed(self, images: Tensor) -> AbstractContextManager[Any]:
        if self.precision in (None, self.weight().dtype):
            return nullcontext()
        return torch.autocast(images.device.type, self.precision)


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


@torch.no_grad()
def _shape(blocks: Any, channels: int, image_size: int) -> torch.Size:
    """Return [C, H, W] of the last block's maps."""
    maps = torch.empty(1, channels, image_size, image_size, device="meta")
    for block in blocks:
        maps = block.eval()(maps)
    return maps.shape[1:]


def _dense(members: Sequence[Pretrained], features: int) -> nn.Sequential:
    dense = nn.Sequential()
    for index, layer in enumerate(members[0].dense):
        activation = make_activation(members[0].activation, len(members), layer.width)
        dense.add_module(f"linear{index + 1}", CohortLinear(len(members), features, layer.width))
        dense.add_module(f"activation{index + 1}", activation)
        rates = [member.dense[index].drop_rate for member in members]
        dense.add_module(f"dropout{index + 1}", CohortDropout(rates))
        features = layer.width
    return dense
