"""Networks made of cohort layers, where one call computes all members."""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from mame_cnn.configuration.layered import MobileNet, Plain, ResNet, Vgg
from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.inputs.metadata_row import METADATA_INPUTS, apart
from mame_cnn.layers import (
    CohortBatchNorm1d,
    CohortBatchNorm2d,
    CohortConv2d,
    CohortDropout,
    CohortLinear,
    GlobalPool,
    make_activation,
)

Headed = Plain | Vgg | ResNet | MobileNet


class LayeredNetwork(CohortNetwork):
    """Maps from `stem`, `blocks` and `last`, then a vector of them, dense layers and logits."""

    stem: nn.Module
    blocks: nn.Sequential
    last: nn.Module

    def __init__(
        self, members: Sequence[Headed], *, channels: int, image_size: int, n_classes: int
    ) -> None:
        super().__init__()
        shape, n_members = members[0], len(members)
        channels = self._build_maps(members, channels)
        self.head = GlobalPool(shape.head, channels)
        self.head_dropout = CohortDropout([member.head_drop_rate for member in members])
        n_pixels = self.map_sizes(shape, image_size)[-1] ** 2
        features = channels * n_pixels if shape.head == "flatten" else channels
        self.image_size, self.n_metadata = image_size, METADATA_INPUTS[shape.metadata]
        features += self.n_metadata
        self.dense = _dense(members, features)
        features = shape.dense[-1].width if shape.dense else features
        self.output = CohortLinear(n_members, features, n_classes)

    @abstractmethod
    def _build_maps(self, members: Sequence[Any], channels: int) -> int:
        """Build all layers that return maps; return the channels of the last ones."""

    @property
    def output_bias(self) -> nn.Parameter:
        """What is added to the members' logits, [T, K]."""
        return self.output.bias

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of every member, in the weights' type.

        Args:
            images: with a row more where the network sees metadata
            (`mame_cnn.inputs.metadata_row`).
        """
        if self.n_metadata:
            images, metadata = apart(images, self.image_size, self.n_metadata)
        if images.ndim == 5:  # [T, N, C, H, W] -> [N, T*C, H, W]
            images = images.transpose(0, 1).flatten(1, 2)
        dtype = self.output.weight.dtype
        is_mixed = self.precision not in (None, dtype)
        with torch.autocast(images.device.type, self.precision) if is_mixed else nullcontext():
            maps = self.last(self.blocks(self.stem(images)))
        # From here on little is computed, and rounding would reach the logits undamped.
        vectors = self.head_dropout(self.head(maps).to(dtype))
        if self.n_metadata:
            own = metadata.to(dtype).expand(*vectors.shape[:2], -1)  # [T, N, M]
            vectors = torch.cat([vectors, own], dim=2)
        logits: Tensor = self.output(self.dense(vectors))
        return logits

    def named_maps(self) -> dict[str, nn.Module]:
        """Return the layers that return maps; dropout is left out, as it changes nothing."""
        parts = {
            "stem": self.stem,
            **{f"block{number}": block for number, block in enumerate(self.blocks, start=1)},
            "last": self.last,
        }
        return {
            f"{part}.{name}": layer
            for part, module in parts.items()
            for name, layer in module.named_modules()
            if name and not isinstance(layer, CohortDropout) and not any(layer.children())
        }


def convolution(
    n_members: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    activation: str | None,
    number: int = 1,
    stride: int = 1,
    batch_norm: str = "before",
) -> OrderedDict[str, nn.Module]:
    """Return a convolution with normalisation and activation around each other, by name.

    Args:
        activation: None for a linear one.
        number: ends the names.
        in_channels: 1 makes it depthwise: each kernel sees one channel.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers[f"conv{number}"] = CohortConv2d(
        n_members, in_channels, out_channels, kernel_size, stride
    )
    if batch_norm == "before":
        layers[f"norm{number}"] = CohortBatchNorm2d(n_members, out_channels)
    if activation is not None:
        layers[f"activation{number}"] = make_activation(activation, n_members, out_channels)
    if batch_norm == "after":
        layers[f"norm{number}"] = CohortBatchNorm2d(n_members, out_channels)
    return layers


def strided(size: int, stride: int) -> int:
    """Return the side of a map whose size padding keeps, after a stride: rounded up."""
    return -(-size // stride)


def _dense(members: Sequence[Headed], features: int) -> nn.Sequential:
    shape, n_members = members[0], len(members)
    activation, batch_norm = shape.activation, "none"
    if isinstance(shape, Vgg):
        activation, batch_norm = shape.dense_activation, shape.dense_batch_norm
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, layer in enumerate(shape.dense):
        number = index + 1
        layers[f"linear{number}"] = CohortLinear(n_members, features, layer.width)
        if batch_norm == "before":
            layers[f"norm{number}"] = CohortBatchNorm1d(n_members, layer.width)
        layers[f"activation{number}"] = make_activation(activation, n_members, layer.width)
        if batch_norm == "after":
            layers[f"norm{number}"] = CohortBatchNorm1d(n_members, layer.width)
        layers[f"dropout{number}"] = CohortDropout(
            [member.dense[index].drop_rate for member in members]
        )
        features = layer.width
    return nn.Sequential(layers)
