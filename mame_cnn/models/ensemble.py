"""Several trained networks that answer as one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mame_cnn.combining.combination import Combination
from mame_cnn.combining.groups import combine_specialists
from mame_cnn.combining.temperature import apply_temperature
from mame_cnn.data.dataset import Pixels
from mame_cnn.models.logits import EVALUATION_BATCH
from mame_cnn.models.model import Model, Probs

Metadata = npt.NDArray[np.float32]
"""[N, M], what networks that see more of an image than its pixels are shown."""
SPECIALISTS = "specialists"
"""The name of the general network and its specialists, which together are one more member."""


@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble."""

    name: str
    path: str
    """Of its run's folder or weights file, within the ensemble's folder; parts joined by /."""
    model: Model


@dataclass(frozen=True, eq=False)
class Specialists:
    """A network that tells groups of classes apart, and one for each group of several classes."""

    groups: tuple[tuple[int, ...], ...]
    """Class numbers; every class is in one group."""
    general: Member
    """Its class number g is group g; what it calls the groups is its own business."""
    experts: tuple[Member | None, ...]
    """One a group, whose classes are the group's, in its order; None for a group of one class."""

    @property
    def networks(self) -> Iterator[Member]:
        """Yield all networks, the general one first."""
        yield self.general
        yield from (expert for expert in self.experts if expert)

    def probs(
        self,
        images: Pixels,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        views: str = "none",
        batch: int = EVALUATION_BATCH,
        metadata: Metadata | None = None,
    ) -> Probs:
        """Return probabilities [N, K]: of a class's group, times of the class within it."""

        def asked(member: Member) -> Probs:
            return member.model.probs(images, device, precision, views, batch, metadata)

        experts = [asked(expert) if expert else None for expert in self.experts]
        return combine_specialists(asked(self.general), experts, self.groups)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members, how their probabilities are combined, and how sure the result is to be."""

    members: tuple[Member, ...]
    combination: Combination
    """Of the members and, after them, of the specialists where there are any."""
    temperature: float = 1.0
    """The combined probabilities are softmax(log p / temperature)."""
    views: str = "none"
    """How every member looks at an image: one of `views.VIEWS`."""
    specialists: Specialists | None = None
    out_of_fold: Mapping[str, Any] = field(default_factory=dict)
    """What combining has been measured to bring, on validation images not fitted on."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self._first.classes

    @property
    def channels(self) -> int:
        """The channels of the images that it takes."""
        return self._first.channels

    @property
    def image_size(self) -> int:
        """The side in pixels of the images that it takes."""
        return self._first.image_size

    @property
    def data_name(self) -> str:
        """The name of the data that the members were trained on."""
        return self._first.data_name

    @property
    def data_digest(self) -> str:
        """The digest of the data that the members were trained on."""
        return self._first.data_digest

    @cached_property
    def member_names(self) -> tuple[str, ...]:
        """Who is who in `member_probs`."""
        names = tuple(member.name for member in self.members)
        return (*names, SPECIALISTS) if self.specialists else names

    @property
    def networks(self) -> Iterator[Member]:
        """Yield every network: the members, then those of the specialists."""
        yield from self.members
        if self.specialists:
            yield from self.specialists.networks

    def probs(
        self,
        images: Pixels,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        batch: int = EVALUATION_BATCH,
        metadata: Metadata | None = None,
    ) -> Probs:
        """Return the ensemble's probabilities [N, K] of uint8 images [N, H, W, C]."""
        return self.combined(self.member_probs(images, device, precision, batch, metadata))

    def combined(self, member_probs: Probs) -> Probs:
        """Return the ensemble's probabilities [N, K] from those of its members [M, N, K]."""
        return apply_temperature(self.combination.combine(member_probs), self.temperature)

    def member_probs(
        self,
        images: Pixels,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        batch: int = EVALUATION_BATCH,
        metadata: Metadata | None = None,
    ) -> Probs:
        """Return the probabilities [M, N, K] of every member, the specialists' last."""
        asked = (images, device, precision, self.views, batch, metadata)
        probs = [member.model.probs(*asked) for member in self.members]
        if self.specialists:
            probs.append(self.specialists.probs(*asked))
        return np.stack(probs)

    @property
    def _first(self) -> Model:
        return self.members[0].model


def mismatches(members: Sequence[Member], specialists: Specialists | None = None) -> list[str]:
    """Return in what members are not about the same images and classes, a line each."""
    if not members:
        return ["no members"]
    faults = []
    times = Counter(member.name for member in members)
    faults += [f"{n} members are called {name}" for name, n in times.items() if n > 1]
    first = members[0]
    for member in members[1:]:
        faults += [
            f"{member.name}: {what} {_told(getattr(member.model, name))}, "
            f"but {first.name}: {_told(getattr(first.model, name))}"
            for name, what in {
                "classes": "has the classes",
                "data_digest": "was trained on data",
                "image_size": "takes images of size",
                "channels": "takes images with channels",
            }.items()
            if getattr(member.model, name) != getattr(first.model, name)
        ]
    return faults + (_misfits(specialists, first.model) if specialists else [])


def _misfits(specialists: Specialists, model: Model) -> list[str]:
    """Return in what specialists do not fit the members, of which one model is given."""
    groups, faults = specialists.groups, []
    if sorted(k for group in groups for k in group) != list(range(len(model.classes))):
        return [f"groups {groups}: expected each of {len(model.classes)} classes in one group"]
    n_answers = len(specialists.general.model.classes)
    if n_answers != len(groups):
        faults.append(
            f"{specialists.general.name}: tells {n_answers} groups apart, there are {len(groups)}"
        )
    for group, expert in zip(groups, specialists.experts, strict=True):
        expected = tuple(model.classes[k] for k in group)
        if expert and expert.model.classes != expected:
            faults.append(
                f"{expert.name}: has the classes {_told(expert.model.classes)}, "
                f"its group {_told(expected)}"
            )
        elif (expert is None) != (len(group) == 1):
            faults.append(f"group {_told(expected)}: expected a network for several classes only")
    for network in specialists.networks:
        own = network.model
        if (own.image_size, own.channels) != (model.image_size, model.channels):
            faults.append(
                f"{network.name}: takes images of size {own.image_size} with {own.channels} "
                f"channels, the members {model.image_size} with {model.channels}"
            )
    return faults


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
