"""The plain convolutional network: blocks of convolutions, each with its pooling."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from mame_cnn.configuration.layered import Block, Plain
from mame_cnn.families.layered import LayeredNetwork, convolution
from mame_cnn.layers import CohortBatchNorm2d, CohortDropout, Pool
from mame_cnn.layers.activation import NEVER_FALLING


class PlainNetwork(LayeredNetwork):
    """T plain networks."""

    @classmethod
    def map_sizes(cls, network: Plain, image_size: int) -> list[int]:
        """Return the height (= width) in pixels of each block's output; 0: nothing is left."""
        sizes = []
        for block in network.blocks:
            image_size //= block.pool_size
            sizes.append(image_size)
        return sizes

    def _build_maps(self, members: Sequence[Plain], channels: int) -> int:
        shape = members[0]
        blocks = []
        for index, block in enumerate(shape.blocks):
            drop_rates = [member.blocks[index].drop_rate for member in members]
            blocks.append(_block(block, shape.activation, channels, drop_rates))
            channels = block.width
        self.stem = nn.Identity()
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Identity()
        return channels


def _block(
    block: Block, activation: str, channels: int, drop_rates: Sequence[float]
) -> nn.Sequential:
    """Build one block: convolutions with activation and normalisation, pooling, dropout."""
    n_members = len(drop_rates)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, block.convolutions + 1):
        layers |= convolution(
            n_members,
            channels,
            block.width,
            block.kernel_size,
            activation=activation,
            number=number,
            batch_norm=block.batch_norm,
        )
        channels = block.width
    if block.pool_size > 1:
        layers["pool"] = Pool(block.pool, block.pool_size)
        if pooling_commutes(block.pool, activation, block.batch_norm):
            layers.move_to_end(f"activation{block.convolutions}")
    if block.batch_norm == "after_pool":
        layers["norm"] = CohortBatchNorm2d(n_members, block.width)
    layers["dropout"] = CohortDropout(drop_rates)
    return nn.Sequential(layers)


def pooling_commutes(pool: str, activation: str, batch_norm: str) -> bool:
    """Whether the activation may follow the pooling, with fewer pixels to compute.

    The largest of f(x) is f of the largest x where f never falls; then values and gradients
    are the same in either order. A normalisation between the two would forbid it.
    """
    return pool == "max" and activation in NEVER_FALLING and batch_norm != "after"
