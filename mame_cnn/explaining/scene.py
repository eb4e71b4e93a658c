"""The same images as one network, or two, see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mame_cnn.data.dataset import Labels, Pixels
from mame_cnn.explaining.attention import Shares, border_shares
from mame_cnn.explaining.grad_cam import Explained, Explainer

Indices = npt.NDArray[np.intp]
UNKNOWN = -1
"""The label of an image whose class nobody told."""


@dataclass(frozen=True, eq=False)
class View:
    """Images as one network sees them."""

    name: str
    """What pictures call the network; empty where there is no other."""
    explainer: Explainer
    images: Pixels
    """uint8 [N, H, W, C]; may be memory-mapped, only those shown are read again."""
    explained: Explained

    def is_right(self, labels: Labels) -> npt.NDArray[np.bool_]:
        """Return of which images it names the class, [N]."""
        found: npt.NDArray[np.bool_] = self.explained.answers == labels
        return found

    @cached_property
    def on_border(self) -> Shares:
        """What share of the evidence for the other class looked into lies on the border, [N]."""
        return border_shares(self.explained.for_other)


@dataclass(frozen=True, eq=False)
class Scene:
    """Images, what is known of them, and how networks see them."""

    views: tuple[View, ...]
    """One or two; the first is the one in question."""
    labels: Labels
    """[N], `UNKNOWN` where nobody told."""
    names: Sequence[str]
    classes: tuple[str, ...]

    @property
    def first(self) -> View:
        """The network in question."""
        return self.views[0]

    def spread(self, label: int, n: int) -> Indices:
        """Return up to n images of a class, evenly from the surest recognised to the least."""
        own = np.flatnonzero(self.labels == label)
        sureness = self.first.explained.probs[own, label]
        ranked: Indices = own[np.argsort(-sureness, kind="stable")]
        places = np.linspace(0, len(ranked) - 1, min(n, len(ranked))).round().astype(np.intp)
        chosen: Indices = ranked[places]
        return chosen

    def surest(self, chosen: npt.NDArray[np.bool_], n: int) -> Indices:
        """Return up to n of the chosen images, the surest answers first."""
        sureness = np.max([view.explained.probs.max(1) for view in self.views], axis=0)
        indices = np.flatnonzero(chosen)
        ranked: Indices = indices[np.argsort(-sureness[indices], kind="stable")]
        return ranked[:n]

    def into(self, indices: Indices, label: int, layer: str | None) -> "Scene":
        """Return some of the images, looked into for one class."""
        others = np.full(len(indices), label, dtype=np.int64)
        views = tuple(
            View(
                view.name,
                view.explainer,
                images := view.images[indices],
                view.explainer.explain(images, others, layer),
            )
            for view in self.views
        )
        names = [self.names[index] for index in indices]
        return Scene(views, self.labels[indices], names, self.classes)
