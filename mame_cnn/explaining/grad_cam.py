"""Grad-CAM: where in an image the evidence for a class lies (Selvaraju et al. 2017).

Our own few lines rather than captum, whose results they have been compared with: one pass is to
serve two classes and give probabilities too, without one more thing to install.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from commands.errors import UserError
from mame_cnn.data.dataset import Labels, Pixels
from mame_cnn.explaining.layers import last_activations, put_in_plain_order
from mame_cnn.models.model import Model, Probs

Heat = npt.NDArray[np.float16]
"""[N, h, w] in a layer's pixels, each map's largest value 1; all 0 where nothing speaks for a
class."""
BATCH = 64
"""Images at once; what a step of training needs for as many is needed here."""


def grad_cam(maps: Tensor, score: Tensor) -> Tensor:
    """Return relu(sum_c a_c * map_c), [N, h, w]; a_c is the mean over pixels of d score / d map_c.

    Args:
        maps: [N, C, h, w], from which the score was computed.
        score: [N], of each image alone.
    """
    [slopes] = torch.autograd.grad(score.sum(), maps, retain_graph=True)
    weights = slopes.mean((2, 3), keepdim=True)  # [N, C, 1, 1]
    return (weights * maps.detach()).sum(1).relu()


@dataclass(frozen=True, eq=False)
class Explained:
    """What a network says of images, and where it sees that."""

    probs: Probs
    """[N, K]."""
    others: Labels
    """[N], the class looked into beside the answer."""
    for_answer: Heat
    for_other: Heat

    @property
    def answers(self) -> Labels:
        """The most probable classes, [N]."""
        answers: Labels = self.probs.argmax(1).astype(np.int64)
        return answers


class Explainer:
    """A network opened up; computes in float32."""

    def __init__(self, model: Model, device: torch.device):
        model.check_pixels_suffice()
        self._classifier = model.classifier(device, dtype=torch.float64)
        self._network = self._classifier.network
        self._device = device
        put_in_plain_order(self._network)
        self.layers = self._network.named_maps()
        self.default_layer = last_activations(self.layers)[-1]
        """What the last convolution sees: the layer with most meaning that still has places."""

    def explain(
        self, images: Pixels, others: Labels | None = None, layer: str | None = None
    ) -> Explained:
        """Return probabilities and heat maps of uint8 images [N, H, W, C].

        Args:
            others: classes to look into beside the answers; the second most probable if not
                given.
            layer: whose maps are looked at; `default_layer` if not given.
        """
        parts = [
            self._explain(
                images[first : first + BATCH],
                None if others is None else others[first : first + BATCH],
                layer or self.default_layer,
            )
            for first in range(0, len(images), BATCH)
        ]
        probs, chosen, for_answer, for_other = map(np.concatenate, zip(*parts, strict=True))
        if not np.isfinite(probs).all():
            raise UserError("the network's answers are not finite; it cannot be explained")
        return Explained(probs, chosen, for_answer, for_other)

    def activations(self, image: Pixels, names: list[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the maps [C, h, w] of an image [H, W, C] in some layers."""
        with torch.no_grad(), self._looking_at(names) as seen:
            self._logits(image[np.newaxis])
        return {name: seen[name][0].float().cpu().numpy() for name in names}

    def filters(self) -> npt.NDArray[np.float32]:
        """Return the first convolution's kernels, [O, C, k, k]."""
        kernel = self._network.first_kernel()
        found: npt.NDArray[np.float32] = kernel.detach().cpu().numpy()
        return found

    def _explain(
        self, images: Pixels, others: Labels | None, layer: str
    ) -> tuple[Probs, Labels, Heat, Heat]:
        with self._looking_at([layer]) as seen:
            logits = self._logits(images)
        probs = torch.softmax(logits.detach().double(), dim=-1)
        ranked = probs.argsort(dim=-1, descending=True, stable=True)
        answer = ranked[:, 0]
        other = ranked[:, 1]
        if others is not None:
            other = torch.from_numpy(others.copy()).to(self._device)
        rows = torch.arange(len(logits), device=self._device)
        heats = [_scaled(grad_cam(seen[layer], logits[rows, k])) for k in (answer, other)]
        return probs.cpu().numpy(), other.cpu().numpy(), heats[0], heats[1]

    def _logits(self, images: Pixels) -> Tensor:
        # A copy, as torch warns of memory-mapped arrays that it must not write to.
        pixels = torch.from_numpy(np.array(images)).to(self._device)
        [logits] = self._network(self._classifier.normalise(pixels))
        return torch.as_tensor(logits)

    @contextmanager
    def _looking_at(self, names: list[str]) -> Iterator[dict[str, Tensor]]:
        """Give a dictionary that the next images' maps are put into, by the layer's name."""
        seen: dict[str, Tensor] = {}

        def keep(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
            def note(_: nn.Module, __: object, maps: Tensor) -> None:
                if torch.is_grad_enabled() and not maps.requires_grad:
                    maps.requires_grad_()  # of a frozen block, which has no weights to learn
                seen[name] = maps

            return layer.register_forward_hook(note)

        handles = [keep(name, self.layers[name]) for name in names]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


def _scaled(heat: Tensor) -> Heat:
    """Return each map with its largest value 1; what is all 0 stays so."""
    largest = heat.amax((1, 2), keepdim=True)
    scaled: Heat = torch.where(largest > 0, heat / largest, 0).half().cpu().numpy()
    return scaled
