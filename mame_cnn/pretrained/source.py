"""Backbones as blocks of plain modules: their shapes alone, or with the weights of a file.

A block takes maps [N, C, H, W] and returns maps; nothing in it draws random numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn

from commands.errors import UserError
from mame_cnn.configuration.pretrained import Pretrained, Trained
from mame_cnn.families.layered import LayeredNetwork
from mame_cnn.layers import CohortDropout
from mame_cnn.pretrained.backbones import BACKBONES, CHANNELS, IMAGENET_MEAN, IMAGENET_STD
from mame_cnn.pretrained.weights_file import check_hash, find, fitting, read_tensors


@dataclass(frozen=True, eq=False)
class Source:
    """What a file of weights holds of a backbone."""

    states: tuple[dict[str, Tensor], ...]
    """Weights and statistics of each block on the CPU."""
    mean: tuple[float, ...]
    """Per channel, of pixel values scaled to [0, 1], as the backbone's images were normalised."""
    std: tuple[float, ...]
    normalisation: str
    """As of a configuration."""


def channels(network: Pretrained) -> int:
    """Return how many channels the backbone's images have."""
    if isinstance(network.backbone, Trained):
        return network.backbone.channels
    return CHANNELS


def smallest_px(network: Pretrained) -> int:
    """Return the least side of an image that leaves something of the maps."""
    if isinstance(network.backbone, str):
        return BACKBONES[network.backbone].smallest_px
    own, family = network.backbone.network, _family(network.backbone)
    return next(px for px in count(1) if family.infeasible(own, px) is None)


def empty_blocks(network: Pretrained) -> list[nn.Module]:
    """Return the backbone's blocks on the meta device: shapes without content."""
    if isinstance(network.backbone, str):
        backbone = BACKBONES[network.backbone]
        return backbone.split(backbone.model())
    return _cut(_build(network.backbone))


def load(network: Pretrained) -> Source:
    """Return what the file says of the blocks.

    Raises `UserError` if it is missing, has another hash, or is another architecture's.
    """
    path = _path(network)
    if not path.is_file():
        fault = "not a file" if path.exists() else "no such file"
        raise UserError(f"network.weights: {path}: {fault}")
    about = path.stat()
    # A search opens one cohort after the other on the same file.
    return _load(network.model_copy(update=_IRRELEVANT), path, about.st_mtime_ns, about.st_size)


_IRRELEVANT = {"dense": (), "unfreezing": (), "head_drop_rate": 0.0, "head": "average"}
"""Fields that make no difference to what is read, set to one value each."""


@lru_cache(maxsize=2)
def _load(network: Pretrained, path: Path, _mtime_ns: int, _size: int) -> Source:
    check_hash(path, network.sha256)
    if isinstance(network.backbone, Trained):
        return _load_own(network.backbone, path)
    backbone = BACKBONES[network.backbone]
    model = backbone.model()
    tensors = fitting(path, backbone, read_tensors(path))
    model.load_state_dict(tensors, strict=False, assign=True)  # counters are left out
    return Source(_states(backbone.split(model)), IMAGENET_MEAN, IMAGENET_STD, "train")


def _load_own(backbone: Trained, path: Path) -> Source:
    # Imported here, as a model of this family is such a file's content too.
    from mame_cnn.models.model_file import read_model

    model = read_model(path)
    if model.config.network != backbone.network or model.channels != backbone.channels:
        raise UserError(
            f"{path}: not the weights of network.backbone: the file's is a "
            f"{model.config.network.family} network of {model.channels} channels with another "
            "configuration; `python -m mame_cnn.pretrained` writes one that fits"
        )
    if {backbone.seen_val} - {None} != {*model.seen_val}:
        raise UserError(
            f"{path}: network.backbone.seen_val: does not say which validation images the file's "
            "network was trained on; `python -m mame_cnn.pretrained` writes what does"
        )
    built = _build(backbone)
    parts = tuple(f"{part}." for part in _PARTS)
    state = {
        name: tensor.unsqueeze(0) for name, tensor in model.state.items() if name.startswith(parts)
    }
    built.load_state_dict(state, strict=False, assign=True)  # the head stays empty
    normalisation = model.config.data.normalisation
    return Source(_states(_cut(built)), model.mean, model.std, normalisation)


def _path(network: Pretrained) -> Path:
    if isinstance(network.backbone, Trained):
        return Path(network.weights).expanduser()
    return find(BACKBONES[network.backbone], network.weights, network.sha256)


_PARTS = ("stem", "blocks", "last")
_ANY_SIZE = 1024
"""Pixels: layers before the head are the same for all sizes."""


def _family(backbone: Trained) -> type[LayeredNetwork]:
    # Imported here, as this family is one of them.
    from mame_cnn.families.network import FAMILIES

    family = FAMILIES[backbone.network.family]
    assert isinstance(family, type)
    assert issubclass(family, LayeredNetwork)
    return family


def _build(backbone: Trained) -> LayeredNetwork:
    """Return a network as it was trained but for its dense layers, as a cohort of one."""
    headless = backbone.network.model_copy(update={"dense": (), "head": "average"})
    with torch.device("meta"):
        family = _family(backbone)
        return family([headless], channels=backbone.channels, image_size=_ANY_SIZE, n_classes=1)


def _cut(network: LayeredNetwork) -> list[nn.Module]:
    """Return the blocks, the first with what stands before it, the last with what follows."""
    blocks = [[block] for block in network.blocks]
    blocks[0].insert(0, network.stem)
    blocks[-1].append(network.last)
    parts: list[nn.Module] = [nn.Sequential(*layers) for layers in blocks]
    for part in parts:
        for module in list(part.modules()):
            for name, child in module.named_children():
                if isinstance(child, CohortDropout):
                    setattr(module, name, nn.Identity())
    return parts


def _states(blocks: Sequence[nn.Module]) -> tuple[dict[str, Tensor], ...]:
    return tuple(
        {name: tensor.detach().float() for name, tensor in block.state_dict().items()}
        for block in blocks
    )
