"""Networks after VGG (Simonyan & Zisserman 2015): 3 x 3 convolutions, then pooling by 2.

With 1 x 1 convolutions after them where a block wants some (their configuration C), and batch
normalisation, which is younger than the paper.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from mame_cnn.configuration.layered import Vgg
from mame_cnn.families.layered import LayeredNetwork, convolution
from mame_cnn.families.plain import pooling_commutes
from mame_cnn.layers import CohortBatchNorm2d, CohortDropout, Pool


class VggNetwork(LayeredNetwork):
    """T networks of the VGG family."""

    @classmethod
    def map_sizes(cls, network: Vgg, image_size: int) -> list[int]:
        """Return the height (= width) in pixels of each block's output; 0: nothing is left."""
        return [image_size >> number for number in range(1, len(network.blocks) + 1)]

    def _build_maps(self, members: Sequence[Vgg], channels: int) -> int:
        blocks = []
        for index, block in enumerate(members[0].blocks):
            drop_rates = [member.blocks[index].drop_rate for member in members]
            blocks.append(_block(members[0], index, channels, drop_rates))
            channels = block.width
        self.stem = nn.Identity()
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Identity()
        return channels


def _block(shape: Vgg, index: int, channels: int, drop_rates: Sequence[float]) -> nn.Sequential:
    """Build one block: convolutions with activation and normalisation, pooling, dropout."""
    block, n_members = shape.blocks[index], len(drop_rates)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    kernel_sizes = [3] * block.convolutions + [1] * block.pointwise
    for number, kernel_size in enumerate(kernel_sizes, start=1):
        layers |= convolution(
            n_members,
            channels,
            block.width,
            kernel_size,
            activation=shape.activation,
            number=number,
            batch_norm=shape.batch_norm,
        )
        channels = block.width
    layers["pool"] = Pool(shape.pool, block.pool_size)
    if pooling_commutes(shape.pool, shape.activation, shape.batch_norm):
        layers.move_to_end(f"activation{len(kernel_sizes)}")
    if shape.batch_norm == "after_pool":
        layers["norm"] = CohortBatchNorm2d(n_members, block.width)
    layers["dropout"] = CohortDropout(drop_rates)
    return nn.Sequential(layers)
