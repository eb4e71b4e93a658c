"""Networks of inverted residuals (MobileNetV2, Sandler et al. 2018, arXiv 1801.04381).

Every convolution has a bias and is normalised; that which narrows a unit is linear.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from mame_cnn.configuration.layered import MobileNet
from mame_cnn.families.layered import LayeredNetwork, convolution, strided
from mame_cnn.layers import CohortDropout


class MobileNetwork(LayeredNetwork):
    """T networks of the MobileNetV2 family."""

    @classmethod
    def map_sizes(cls, network: MobileNet, image_size: int) -> list[int]:
        """Return the height (= width) in pixels of each block's output."""
        size = strided(image_size, network.stem_stride)
        sizes = []
        for block in network.blocks:
            size = strided(size, block.stride)
            sizes.append(size)
        return sizes

    def _build_maps(self, members: Sequence[MobileNet], channels: int) -> int:
        shape, n_members = members[0], len(members)
        self.stem = nn.Sequential(
            convolution(
                n_members,
                channels,
                shape.stem_width,
                3,
                activation=shape.activation,
                stride=shape.stem_stride,
            )
        )
        channels = shape.stem_width
        blocks = []
        for index, block in enumerate(shape.blocks):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            for number in range(1, block.units + 1):
                layers[f"unit{number}"] = InvertedResidual(
                    n_members,
                    channels,
                    block.width,
                    stride=block.stride if number == 1 else 1,
                    expansion=shape.expansion,
                    activation=shape.activation,
                )
                channels = block.width
            layers["dropout"] = CohortDropout(
                [member.blocks[index].drop_rate for member in members]
            )
            blocks.append(nn.Sequential(layers))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(
            convolution(n_members, channels, shape.last_width, 1, activation=shape.activation)
        )
        return shape.last_width


class InvertedResidual(nn.Module):
    """1 x 1 to many channels, 3 x 3 in each of them, and 1 x 1 to few, without activation.

    Added to what came in where channels and size are the same. An expansion of 1 has no first
    convolution.
    """

    def __init__(
        self,
        n_members: int,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: int,
        activation: str,
    ):
        super().__init__()
        width = in_channels * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers |= convolution(n_members, in_channels, width, 1, activation=activation)
        layers |= convolution(
            n_members, 1, width, 3, activation=activation, number=2, stride=stride
        )
        layers |= convolution(n_members, width, out_channels, 1, activation=None, number=3)
        self.residual = nn.Sequential(layers)
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of `out_channels` a member."""
        outputs: Tensor = self.residual(maps)
        return maps + outputs if self.adds else outputs
