"""torchvision's backbones: how each falls into blocks, and which weights there are for it.

A block ends where the size of the maps does, so that blocks have the numbers of the papers:
block 5 of VGG16 is its last three convolutions and the pooling after them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision import models
from torchvision.models._api import WeightsEnum
from torchvision.ops import StochasticDepth

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of torchvision's ImageClassification presets
IMAGENET_STD = (0.229, 0.224, 0.225)
CHANNELS = 3


@dataclass(frozen=True)
class Backbone:
    """One of torchvision's networks up to its classifier."""

    name: str
    make: Callable[[], nn.Module]
    blocks: Callable[[nn.Module], Sequence[Sequence[nn.Module]]]
    """The layers of each block, first to last."""
    smallest_px: int
    """The least side of an image: `min_size` of the weights' description in torchvision."""
    weights: tuple[WeightsEnum, ...]

    @property
    def released(self) -> dict[str, str]:
        """The addresses of the weights by the first digits of their SHA-256, the first first."""
        urls = [weights.url for weights in self.weights]
        return {file_name(url).rpartition(".")[0].rpartition("-")[2]: url for url in urls}

    def model(self) -> nn.Module:
        """Return the whole network with its classifier, shapes only: on the meta device."""
        with torch.device("meta"):
            return self.make()

    def split(self, model: nn.Module) -> list[nn.Module]:
        """Return the blocks of a network, ready to be run block by block by anyone."""
        blocks: list[nn.Module] = [nn.Sequential(*layers) for layers in self.blocks(model)]
        for block in blocks:
            _tame(block)
        return blocks


def file_name(url: str) -> str:
    """Return the name under which torchvision keeps a file."""
    return PurePosixPath(urlsplit(url).path).name


def _tame(block: nn.Module) -> None:
    """Remove what draws from the global generator, counts, or overwrites what others may read."""
    for module in list(block.modules()):
        for name, child in module.named_children():
            if isinstance(child, StochasticDepth):
                setattr(module, name, nn.Identity())
        if isinstance(module, _BatchNorm):
            module.num_batches_tracked = None  # used only where no momentum is given
        if hasattr(module, "inplace"):
            vars(module)["inplace"] = False


def _ending_in_pooling(model: nn.Module) -> list[list[nn.Module]]:
    blocks: list[list[nn.Module]] = [[]]
    for layer in model.get_submodule("features").children():
        blocks[-1].append(layer)
        if isinstance(layer, nn.MaxPool2d):
            blocks.append([])
    return blocks[:-1]


def _of_resnet(model: nn.Module) -> list[list[nn.Module]]:
    stem = ("conv1", "bn1", "relu", "maxpool")
    stages = [(f"layer{number}",) for number in range(1, 5)]
    return [[model.get_submodule(name) for name in names] for names in (stem, *stages)]


def _cut(ends: tuple[int, ...], model: nn.Module) -> list[list[nn.Module]]:
    """Cut a network's features after so many layers each."""
    layers = list(model.get_submodule("features").children())
    starts = (0, *ends[:-1])
    return [layers[start:end] for start, end in zip(starts, ends, strict=True)]


def _of_densenet(model: nn.Module) -> list[list[nn.Module]]:
    # The stem, then dense blocks with their transitions; ReLU is a function call in torchvision.
    *blocks, last = _cut((4, 6, 8, 10, 12), model)
    return [*blocks, [*last, nn.ReLU()]]


_V1 = "IMAGENET1K_V1"
_VGG16 = partial(models.vgg16, init_weights=False)
_VGG19 = partial(models.vgg19, init_weights=False)
# Before each inverted residual of stride 2 (Sandler et al. 2018, table 2).
_of_mobilenet = partial(_cut, (2, 4, 7, 14, 19))
# The stages of Tan & Le 2021, table 4: the stem in the first, the last convolution in the last.
_of_efficientnet = partial(_cut, (2, 3, 4, 5, 6, 8))
BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("vgg16", _VGG16, _ending_in_pooling, 32, (models.VGG16_Weights[_V1],)),
        Backbone("vgg19", _VGG19, _ending_in_pooling, 32, (models.VGG19_Weights[_V1],)),
        Backbone("resnet50", models.resnet50, _of_resnet, 1, tuple(models.ResNet50_Weights)),
        Backbone(
            *("mobilenet_v2", models.mobilenet_v2, _of_mobilenet, 1),
            tuple(models.MobileNet_V2_Weights),
        ),
        Backbone(
            *("efficientnet_v2_s", models.efficientnet_v2_s, _of_efficientnet, 33),
            tuple(models.EfficientNet_V2_S_Weights),
        ),
        Backbone(
            *("densenet121", models.densenet121, _of_densenet, 29),
            tuple(models.DenseNet121_Weights),
        ),
    )
}
