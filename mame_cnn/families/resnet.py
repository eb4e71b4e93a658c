"""Networks of bottlenecks with shortcuts (He et al. 2016, arXiv 1512.03385).

A block's stride is in its first 3 x 3 convolution, as torchvision has it, and every convolution
has a bias. A shortcut is a convolution where channels or size change, else nothing.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from mame_cnn.configuration.layered import ResNet
from mame_cnn.families.layered import LayeredNetwork, convolution, strided
from mame_cnn.layers import CohortDropout, make_activation

POOL_PX = 3
"""Window of the pooling after the first convolution."""


class ResNetwork(LayeredNetwork):
    """T networks of the ResNet family."""

    @classmethod
    def map_sizes(cls, network: ResNet, image_size: int) -> list[int]:
        """Return the height (= width) in pixels of each block's output."""
        size = strided(image_size, network.stem_stride)
        if network.stem_pool == "max":
            size = strided(size, 2)
        sizes = []
        for block in network.blocks:
            size = strided(size, block.stride)
            sizes.append(size)
        return sizes

    def _build_maps(self, members: Sequence[ResNet], channels: int) -> int:
        shape, n_members = members[0], len(members)
        stem = convolution(
            n_members,
            channels,
            shape.stem_width,
            shape.stem_kernel_size,
            activation=shape.activation,
            stride=shape.stem_stride,
        )
        if shape.stem_pool == "max":
            stem["pool"] = nn.MaxPool2d(POOL_PX, 2, POOL_PX // 2)
        self.stem = nn.Sequential(stem)
        channels = shape.stem_width
        blocks = []
        for index, block in enumerate(shape.blocks):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            for number in range(1, block.units + 1):
                stride = block.stride if number == 1 else 1
                layers[f"unit{number}"] = Bottleneck(
                    n_members,
                    channels,
                    block.width,
                    block.width * shape.expansion,
                    stride,
                    shape.activation,
                )
                channels = block.width * shape.expansion
            layers["dropout"] = CohortDropout(
                [member.blocks[index].drop_rate for member in members]
            )
            blocks.append(nn.Sequential(layers))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Identity()
        return channels


class Bottleneck(nn.Module):
    """1 x 1 to few channels, 3 x 3, and 1 x 1 to many, added to what came in."""

    def __init__(
        self,
        n_members: int,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int,
        activation: str,
    ):
        super().__init__()
        self.residual = nn.Sequential(
            convolution(n_members, in_channels, width, 1, activation=activation)
            | convolution(
                n_members, width, width, 3, activation=activation, number=2, stride=stride
            )
            | convolution(n_members, width, out_channels, 1, activation=None, number=3)
        )
        changes = stride > 1 or in_channels != out_channels
        self.shortcut = nn.Sequential(
            convolution(n_members, in_channels, out_channels, 1, activation=None, stride=stride)
            if changes
            else OrderedDict()
        )
        self.activation = make_activation(activation, n_members, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of `out_channels` a member."""
        outputs: Tensor = self.activation(self.residual(maps) + self.shortcut(maps))
        return outputs
