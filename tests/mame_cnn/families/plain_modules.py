"""Oracles of the families, written as a person would with torch.nn, each one network alone."""

from torch import Tensor, nn
from torch.nn import functional as F

from mame_cnn.configuration.layered import MobileNet, ResNet, Vgg
from tests.mame_cnn.plain import PLAIN_ACTIVATIONS


def activation(name: str, width: int) -> nn.Module:
    if name == "relu6":
        return nn.ReLU6()
    if name == "prelu_per_unit":
        return nn.PReLU(width)
    return PLAIN_ACTIVATIONS[name]()


def vgg(network: Vgg, channels: int, image_size: int, n_classes: int) -> nn.Module:
    """VGG with normalisation before each activation, average pooling and flattening."""
    layers: list[nn.Module] = []
    for block in network.blocks:
        for kernel_size in [3] * block.convolutions + [1] * block.pointwise:
            layers.append(nn.Conv2d(channels, block.width, kernel_size, padding="same"))
            layers.append(nn.BatchNorm2d(block.width))
            layers.append(nn.ReLU())
            channels = block.width
        layers += [nn.AvgPool2d(2), nn.Dropout(block.drop_rate)]
        image_size //= 2
    layers.append(nn.Flatten())
    features = channels * image_size**2
    for dense in network.dense:
        layers.append(nn.Linear(features, dense.width))
        layers.append(nn.BatchNorm1d(dense.width))
        layers.append(nn.PReLU(dense.width))
        features = dense.width
    return nn.Sequential(*layers, nn.Linear(features, n_classes))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.projection = None
        if stride > 1 or channels != outputs:
            self.projection = nn.Conv2d(channels, outputs, 1, stride=stride)
            self.projection_norm = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        outputs = F.relu(self.norm1(self.conv1(maps)))
        outputs = F.relu(self.norm2(self.conv2(outputs)))
        outputs = self.norm3(self.conv3(outputs))
        if self.projection is not None:
            maps = self.projection_norm(self.projection(maps))
        return F.relu(outputs + maps)


class _Mean(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


def resnet(network: ResNet, channels: int, n_classes: int) -> nn.Module:
    """ReLU, pooling after the stem, global average pooling."""
    size = network.stem_kernel_size
    layers: list[nn.Module] = [
        nn.Conv2d(channels, network.stem_width, size, network.stem_stride, size // 2),
        nn.BatchNorm2d(network.stem_width),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = network.stem_width
    for block in network.blocks:
        for unit in range(block.units):
            outputs = block.width * network.expansion
            stride = block.stride if unit == 0 else 1
            layers.append(_Bottleneck(channels, block.width, outputs, stride))
            channels = outputs
    return nn.Sequential(*layers, _Mean(), nn.Linear(channels, n_classes))


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        width = channels * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
            nn.Conv2d(width, width, 3, stride, 1, groups=width),
            nn.BatchNorm2d(width),
            nn.ReLU6(),
            nn.Conv2d(width, outputs, 1),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and channels == outputs

    def forward(self, maps: Tensor) -> Tensor:
        outputs: Tensor = self.layers(maps)
        return maps + outputs if self.adds else outputs


def mobilenet(network: MobileNet, channels: int, n_classes: int) -> nn.Module:
    """ReLU6, an expansion above 1, global average pooling."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels, network.stem_width, 3, network.stem_stride, 1),
        nn.BatchNorm2d(network.stem_width),
        nn.ReLU6(),
    ]
    channels = network.stem_width
    for block in network.blocks:
        for unit in range(block.units):
            stride = block.stride if unit == 0 else 1
            layers.append(_InvertedResidual(channels, block.width, stride, network.expansion))
            channels = block.width
    layers += [
        nn.Conv2d(channels, network.last_width, 1),
        nn.BatchNorm2d(network.last_width),
        nn.ReLU6(),
    ]
    return nn.Sequential(*layers, _Mean(), nn.Linear(network.last_width, n_classes))
