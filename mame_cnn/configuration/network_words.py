"""What a network is, in words, for cards and lists."""

from collections.abc import Iterable

from mame_cnn.configuration.layered import Blocked, DenseNet, MobileNet, Plain, ResNet, Vgg
from mame_cnn.configuration.network import Network
from mame_cnn.configuration.pretrained import Pretrained


def in_words(network: Network) -> str:
    """Return a noun phrase with the shape of a network, such as goes into a model's card."""
    match network:
        case Plain():
            return f"a plain convolutional network: {_widths(network)}; {_rest(network)}"
        case Vgg():
            return f"a VGG-like network: {_widths(network)}; {_rest(network)}"
        case ResNet():
            return f"a ResNet of bottlenecks: {_units(network)}; {_rest(network)}"
        case MobileNet():
            return f"a MobileNetV2-like network: {_units(network)}; {_rest(network)}"
        case DenseNet():
            units = _listed(block.units for block in network.blocks)
            cut = f", the last {network.cut} cut" if network.cut else ""
            return (
                f"a DenseNet of growth {network.growth}: {len(network.blocks)} blocks of {units} "
                f"units{cut}; {_dense(network)}"
            )
        case Pretrained():
            backbone = network.backbone
            name = backbone if isinstance(backbone, str) else in_words(backbone.network)
            steps = len(network.unfreezing)
            trained = f"unfrozen in {steps} steps" if steps else "frozen"
            return (
                f"a new head on pretrained weights (SHA-256 {network.sha256[:8]}), {trained}: "
                f"{name}; {_dense(network)}"
            )
        case _:
            return f"a network of the family {network.family}"


def _widths(network: Plain | Vgg) -> str:
    widths = _listed(block.width for block in network.blocks)
    return f"{len(network.blocks)} blocks of width {widths}"


def _units(network: ResNet | MobileNet) -> str:
    rows = _listed(f"{block.units} x {block.width}" for block in network.blocks)
    return f"{len(network.blocks)} blocks of units x width {rows}"


def _rest(network: Plain | Vgg | ResNet | MobileNet) -> str:
    return f"activation {network.activation}; head {network.head}; {_dense(network)}"


def _dense(network: Blocked | Pretrained) -> str:
    return f"hidden dense layers: {_listed(layer.width for layer in network.dense) or 'none'}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
