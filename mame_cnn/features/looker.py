"""The network that looks at images: one trained here, or a pretrained one of torchvision's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.proxy import TraceError
from torch.nn.modules.batchnorm import _BatchNorm

from commands.errors import UserError
from commands.nearest import did_you_mean
from mame_cnn.configuration.config import LARGEST_IMAGE_SIZE, digest
from mame_cnn.configuration.pretrained import SeenVal
from mame_cnn.data.dataset import Dataset
from mame_cnn.features.layers import Layer, find_layers
from mame_cnn.features.traceable import traceable
from mame_cnn.inputs.normalisation import normalise, scale_and_offset
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import ENSEMBLE
from mame_cnn.models.model import Model, weights_digest
from mame_cnn.models.opening import open_model
from mame_cnn.pretrained.backbones import (
    BACKBONES,
    CHANNELS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
)
from mame_cnn.pretrained.weights_file import TORCHVISION, check_hash, find, fitting, read_tensors

DEFAULT_LOOKER = "vgg16"
BACKBONE_IMAGE_SIZE = 224
"""Pixels: what torchvision's backbones were evaluated with."""


@dataclass(frozen=True, eq=False)
class Looker:
    """A network on a device, and how images are shown to it."""

    name: str
    """Of a backbone, or the path of a trained model."""
    digest: str
    """12 hex digits of its weights, and of what else decides what it sees."""
    network: nn.Module
    """In evaluation; takes images [N, C, H, W]."""
    normalise: Callable[[Tensor], Tensor]
    """Turns uint8 images [N, H, W, C] into what the network takes."""
    channels: int
    image_size: int
    device: torch.device
    layers: tuple[Layer, ...]
    is_pretrained: bool
    """Whether others trained it, on images that are none of the task's."""
    source: str | None = None
    """The data that it was trained on, where that is known."""
    seen_val: tuple[SeenVal, ...] = ()
    """Data whose validation images it was trained on as well."""

    def shown(self, images: Tensor) -> Tensor:
        """Return uint8 images [N, H, W, C'] as the network takes them, [N, C, H, W].

        Grey images are shown to a network for colours as grey in each of them.
        """
        images = images.to(self.device)
        return self.normalise(images.expand(-1, -1, -1, self.channels))

    def check_data(self, dataset: Dataset) -> None:
        """Raise `UserError` for images that it cannot see, or whose validation proves nothing."""
        self.check_channels(dataset.channels, dataset.source)
        for seen in self.seen_val:
            if seen.is_of(dataset.name, dataset.digest, dataset.image_size):
                raise UserError(
                    f"{self.name}: was trained on the validation images of {dataset.name} (data "
                    f"{dataset.digest}), which prove nothing of classifiers on its features; take "
                    "a network that was trained without --train-on-val, or other data"
                )

    def check_channels(self, channels: int, source: str) -> None:
        """Raise `UserError` for colour images where the network takes grey ones."""
        if channels not in (1, self.channels):
            raise UserError(
                f"{source}: has images of {channels} channels; {self.name} takes {self.channels}"
            )


def open_looker(
    name: str,
    device: torch.device,
    *,
    weights: str = TORCHVISION,
    sha256: str = "",
    image_size: int | None = None,
) -> Looker:
    """Return a network by the name of a backbone or the path of what was trained.

    Raises `UserError` if there is neither, and for images that it cannot take.

    Args:
        weights: of a backbone: a file, or `torchvision`.
        sha256: digits that the file's hash begins with; empty for the first of torchvision's
            files, or for any file.
        image_size: of a backbone, in pixels; a trained network's own is the only one it takes.
    """
    if name in BACKBONES:
        size = BACKBONE_IMAGE_SIZE if image_size is None else image_size
        return _backbone(BACKBONES[name], device, weights, sha256, size)
    if weights != TORCHVISION or sha256:
        raise UserError(f"--weights: belong to a backbone ({', '.join(BACKBONES)}), got {name}")
    return _trained(name, device, image_size)


def _backbone(
    backbone: Backbone, device: torch.device, weights: str, sha256: str, image_size: int
) -> Looker:
    if not backbone.smallest_px <= image_size <= LARGEST_IMAGE_SIZE:
        raise UserError(
            f"image size {image_size}: {backbone.name} takes images of {backbone.smallest_px} to "
            f"{LARGEST_IMAGE_SIZE} px"
        )
    released = next(iter(backbone.released))
    digits = sha256 or (released if weights == TORCHVISION else "")
    path = find(backbone, weights, digits)
    check_hash(path, digits)  # which also says what is wrong with a path
    state = fitting(path, backbone, read_tensors(path))
    network = backbone.model()
    network.load_state_dict(state, strict=False, assign=True)  # counters are left out
    _forget_counters(network)
    network = network.to(device).eval().requires_grad_(False)
    scale, offset = scale_and_offset(
        IMAGENET_MEAN, IMAGENET_STD, dtype=torch.float32, device=device
    )
    return Looker(
        name=backbone.name,
        digest=weights_digest(state),
        network=network,
        normalise=lambda images: normalise(images, scale, offset),
        channels=CHANNELS,
        image_size=image_size,
        device=device,
        layers=find_layers(network, (CHANNELS, image_size, image_size)),
        is_pretrained=True,
    )


def _trained(name: str, device: torch.device, image_size: int | None) -> Looker:
    path = Path(name).expanduser()
    if not path.exists():
        hint = did_you_mean(name, BACKBONES)
        raise UserError(
            f"{name}: neither a trained network (a run's folder or a weights file) nor one of "
            f"the backbones {', '.join(BACKBONES)}{hint}"
        )
    model = open_model(path)
    if isinstance(model, Ensemble):
        members = "\n".join(f"  {path / member.path}" for member in model.networks)
        raise UserError(
            f"{path}: an ensemble ({ENSEMBLE}), which has no layers of its own; take one of its "
            f"networks:\n{members}"
        )
    if image_size not in (None, model.image_size):
        raise UserError(
            f"image size {image_size}: {name} was trained on images of {model.image_size} px and "
            "takes no others"
        )
    return look_with(model, str(path.resolve()), device)


def look_with(model: Model, name: str, device: torch.device) -> Looker:
    """Return a trained network that looks at images, in float32."""
    classifier = model.classifier(device)
    network = traceable(classifier.network).eval().requires_grad_(False)
    shape = (model.channels, model.image_size, model.image_size)
    try:
        layers = find_layers(network, shape)
    except (TraceError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{name}: torch.fx cannot draw the network's graph: {reason}") from error
    return Looker(
        name=name,
        # Weights alone do not tell which activations and pooling are between them.
        digest=digest([model.config.digest, model.weights_digest]),
        network=network,
        normalise=classifier.normalise,
        channels=model.channels,
        image_size=model.image_size,
        device=device,
        layers=layers,
        is_pretrained=model.config.network.family == "pretrained",
        source=model.config.data.source,
        seen_val=model.seen_val,
    )


def _forget_counters(network: nn.Module) -> None:
    """Remove what no file need have, and only training without a momentum would read."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.num_batches_tracked = None
