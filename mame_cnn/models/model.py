"""One trained network, with all that it needs to say what an image shows."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.pretrained import Pretrained, SeenVal, Trained
from mame_cnn.data.dataset import Pixels
from mame_cnn.families.network import build_network
from mame_cnn.inputs.metadata_row import metadata_of
from mame_cnn.models.classifier import Classifier
from mame_cnn.models.logits import EVALUATION_BATCH
from mame_cnn.models.views import VIEWS

Probs = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Model:
    """A network's weights, and what they belong to."""

    config: Config
    classes: tuple[str, ...]
    channels: int
    mean: tuple[float, ...]
    """Per channel over the training images, of pixel values scaled to [0, 1]; so is `std`."""
    std: tuple[float, ...]
    data_name: str
    data_digest: str
    metrics: Mapping[str, float]
    """What training measured of these weights, by name."""
    provenance: Mapping[str, Any]
    """Where the configuration came from, and under `training` what was made of it."""
    state: Mapping[str, Tensor]
    """Weights and statistics on the CPU, in torch.nn's plain shapes."""

    @property
    def image_size(self) -> int:
        """The side in pixels of the images that it takes."""
        return self.config.data.image_size

    @property
    def training(self) -> Mapping[str, Any]:
        """What the provenance tells of the training; empty where it tells nothing."""
        told = self.provenance.get("training")
        return told if isinstance(told, Mapping) else {}

    @property
    def saw_val(self) -> bool:
        """Whether its data's validation images were trained on, so that they prove nothing of it.

        Those that its backbone was trained on count as well.
        """
        own = self.data_name, self.data_digest, self.image_size
        return any(seen.is_of(*own) for seen in self.seen_val)

    @property
    def seen_val(self) -> tuple[SeenVal, ...]:
        """Data whose validation images it was trained on, or its backbone was."""
        seen = []
        if self.training.get("splits") == "train+val":
            seen.append(
                SeenVal(
                    data_name=self.data_name,
                    data_digest=self.data_digest,
                    image_size=self.image_size,
                )
            )
        network = self.config.network
        if isinstance(network, Pretrained) and isinstance(network.backbone, Trained):
            seen += [network.backbone.seen_val] if network.backbone.seen_val else []
        return tuple(seen)

    @property
    def sees_metadata(self) -> bool:
        """Whether it is shown more of an image than its pixels."""
        return metadata_of(self.config.network) != "none"

    def check_pixels_suffice(self) -> None:
        """Raise `UserError` if the network is shown more of an image than its pixels."""
        if self.sees_metadata:
            raise UserError(
                "network.metadata: this network sees the sizes of the original photographs, which "
                "images alone do not tell; evaluate it on data whose CSV has Width and Height"
            )

    @cached_property
    def weights_digest(self) -> str:
        """12 hex digits of SHA-256 over the weights' names, shapes and bytes."""
        return weights_digest(self.state)

    def classifier(
        self,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        views: str = "none",
        dtype: torch.dtype = torch.float64,
    ) -> Classifier:
        """Return the network on a device, from bytes to probabilities.

        Args:
            precision: of convolutional blocks; all else is float32.
            dtype: of the probabilities.
        """
        network = build_network(
            [self.config.network],
            channels=self.channels,
            image_size=self.image_size,
            n_classes=len(self.classes),
        )
        network.load_member_state(0, dict(self.state))
        network.precision = precision
        normalisation = self.config.data.normalisation
        return Classifier(network.to(device), self.mean, self.std, normalisation, views, dtype)

    def probs(
        self,
        images: Pixels,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        views: str = "none",
        batch: int = EVALUATION_BATCH,
        metadata: npt.NDArray[np.float32] | None = None,
    ) -> Probs:
        """Return probabilities [N, K] of uint8 images [N, H, W, C].

        Raises `UserError` where the network's answer is not a number, and where it sees metadata
        and none are given.

        Args:
            batch: images computed at once, every view of one counted: speed and memory, not
                the result.
            metadata: [N, M], of a network that sees them; others are not shown them.
        """
        if not self.sees_metadata:
            metadata = None
        elif metadata is None:
            self.check_pixels_suffice()
        expected = (self.image_size, self.image_size, self.channels)
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            raise ValueError(f"expected uint8 [N, {expected}], got {images.dtype} {images.shape}")
        classifier = self.classifier(device, precision, views)
        step = max(1, batch // VIEWS[views])
        probs = np.empty((len(images), len(self.classes)))
        with torch.inference_mode():
            for first in range(0, len(images), step):
                # A copy, as torch warns of memory-mapped arrays that it must not write to.
                part = torch.from_numpy(np.array(images[first : first + step])).to(device)
                beside = None
                if metadata is not None:
                    beside = torch.from_numpy(metadata[first : first + step]).to(device)
                probs[first : first + step] = classifier(part, beside).cpu().numpy()
        n_bad = int((~np.isfinite(probs)).any(axis=1).sum())
        if n_bad:
            raise UserError(
                f"weights {self.weights_digest}: the probabilities of {n_bad:,} of "
                f"{len(images):,} images are not finite"
            )
        return probs


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return 12 hex digits of SHA-256 over names, types, shapes and bytes, ordered by name."""
    content = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        content.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        content.update(tensor.detach().cpu().numpy().tobytes())
    return content.hexdigest()[:12]
