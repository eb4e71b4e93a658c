"""Densely connected networks (Huang et al. 2017, arXiv 1608.06993), whole or cut from the end.

Layers are torchvision's, not of cohorts: concatenation would have to tell members apart in every
unit. A whole network has torchvision's weights, layer by layer, under other names. A cut one
ends with the pooling of the transition before the blocks that are left out.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from mame_cnn.configuration.layered import DenseNet
from mame_cnn.families.cohort_network import coefficients_of
from mame_cnn.families.layered import strided
from mame_cnn.families.modules import CohortOfModules, MemberDropout
from mame_cnn.layers.activation import ACTIVATIONS, START_SLOPE

BOTTLENECK = 4
"""A unit's 1 x 1 convolution puts out so many times the growth (Huang et al. 2017, section 3)."""


class DenseNetwork(CohortOfModules):
    """T networks of the DenseNet family."""

    def __init__(
        self, members: Sequence[DenseNet], *, channels: int, image_size: int, n_classes: int
    ) -> None:
        template = dense_net(members[0], channels=channels, n_classes=n_classes)
        super().__init__(template, len(members), start=_draw)
        for name, layer in self.module.named_modules():
            if isinstance(layer, MemberDropout):
                layer.drop_rates = tuple(_drop_rate(name, member) for member in members)

    @classmethod
    def map_sizes(cls, network: DenseNet, image_size: int) -> list[int]:
        """Return the height (= width) in pixels of each block's output; 0: nothing is left."""
        size = strided(strided(image_size, 2), 2)
        sizes = []
        for number in range(1, len(network.blocks) - network.cut + 1):
            if number < len(network.blocks):
                size //= network.blocks[number - 1].pool_size
            sizes.append(size)
        return sizes

    def named_maps(self) -> dict[str, nn.Module]:
        """Return the layers that return maps, such as `block2.unit3.conv1`."""
        found = {}
        for name, layer in self.module.named_modules():
            part, _, within = name.partition(".")
            if any(layer.children()) or isinstance(layer, MemberDropout) or not within:
                continue
            if part in ("stem", "last"):
                found[name] = layer
            elif part == "blocks":
                index, _, rest = within.partition(".")
                found[f"block{int(index) + 1}.{rest.replace('units.denselayer', 'unit')}"] = layer
        return found


def dense_net(network: DenseNet, *, channels: int, n_classes: int) -> nn.Sequential:
    """Return one network as a plain module, with torchvision's units and transitions."""
    # Only here, as torchvision's models take a second to import.
    from torchvision.models import DenseNet as Whole

    width = network.stem_width
    parts = Whole(
        network.growth,
        tuple(block.units for block in network.blocks),
        width,
        BOTTLENECK,
        num_classes=n_classes,
    ).features
    for layer in parts.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # what is before it can be looked at then, and costs no more
    stem = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
        norm=parts.norm0,
        activation=nn.ReLU(),
        pool=parts.pool0,
    )
    blocks = []
    for number, block in enumerate(network.blocks[: len(network.blocks) - network.cut], start=1):
        layers = OrderedDict[str, nn.Module](units=getattr(parts, f"denseblock{number}"))
        width += block.units * network.growth
        if number < len(network.blocks):
            layers["transition"] = getattr(parts, f"transition{number}")
            width //= 2
        layers["dropout"] = nn.Dropout(block.drop_rate)
        blocks.append(nn.Sequential(layers))
    last: OrderedDict[str, nn.Module] = OrderedDict()
    if not network.cut:
        last = OrderedDict(norm=parts.norm5, activation=nn.ReLU())
    dense = _dense(network, width)
    width = network.dense[-1].width if network.dense else width
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(stem),
            blocks=nn.Sequential(*blocks),
            last=nn.Sequential(last),
            head=_Mean(),
            head_dropout=nn.Dropout(network.head_drop_rate),
            dense=dense,
            output=nn.Linear(width, n_classes),
        )
    )


def _dense(network: DenseNet, features: int) -> nn.Sequential:
    """Return the hidden dense layers, on vectors of so many features."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, layer in enumerate(network.dense, start=1):
        layers[f"linear{number}"] = nn.Linear(features, layer.width)
        layers[f"activation{number}"] = _activation(network.activation, layer.width)
        layers[f"dropout{number}"] = nn.Dropout(layer.drop_rate)
        features = layer.width
    return nn.Sequential(layers)


class _Mean(nn.Module):
    """The mean of each map."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


def _activation(name: str, width: int) -> nn.Module:
    match name:
        case "prelu":
            return nn.PReLU(init=START_SLOPE)
        case "prelu_per_unit":
            return nn.PReLU(width, init=START_SLOPE)
        case _:
            return ACTIVATIONS[name]()


def _draw(network: nn.Module) -> None:
    """Draw He-normal kernels (He et al. 2015), as in every family; biases start at 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _drop_rate(name: str, member: DenseNet) -> float:
    """Return a member's rate of the dropout layer of this name."""
    if name == "head_dropout":
        return member.head_drop_rate
    own = coefficients_of(name.replace("dropout", "linear"), member)
    return own.drop_rate if own is not None else 0.0
