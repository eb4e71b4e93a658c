"""A cohort whose members are trials: parameters become configurations on the way in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from mame_cnn.cohort import Cohort
from mame_cnn.config import Config
from mame_cnn.data.dataset import Pixels
from mame_cnn.device_data import DeviceData
from mame_cnn.energy import UNMETERED, Meter
from mame_cnn.progress import EpochResult
from mame_cnn.room import check_room, within_memory
from mame_cnn.sketches.trial import trial_pictures
from mame_cnn.step_memory import step_memory
from mame_cnn.val_probabilities import FILE, ValProbabilities
from mame_cnn.vocabulary import Params

Result = TypeVar("Result")


class Member(Protocol):
    """One trial: its key, its flat parameters, its seed."""

    @property
    def key(self) -> int:
        """Names the member in results."""

    @property
    def params(self) -> Params:
        """Flat parameters by name."""

    @property
    def seed(self) -> int:
        """Seeds the member's weights and dropout."""


class TrialCohort:
    """Trains trials that share a fusion key.

    Whatever takes memory raises `MemoryError` where it does not fit, saying what was needed and
    what there is. Before an allocation, this leaves the cohort as it was; if torch finds out in
    the middle of a step, the cohort is of no further use.
    """

    def __init__(
        self,
        members: Sequence[Member],
        config_of: Callable[[Member], Config],
        data: DeviceData,
        classes: Sequence[str] = (),
        meter: Meter = UNMETERED,
    ):
        """Draw the members' first weights.

        Args:
            classes: their names, for the pictures that members leave; without them, none are.
            meter: of the device that trains.
        """
        self._config_of = config_of
        self._device = data.scale.device
        configs = [config_of(member) for member in members]
        self._need = step_memory(configs[0], data)
        check_room(len(configs), self._need, self._device)
        keys = [member.key for member in members]
        self.cohort = self._within_memory(lambda: Cohort(configs, keys, data, meter), len(configs))
        self._val_probs = ValProbabilities(data.val.labels)
        self._classes = classes
        self._results: dict[int, list[EpochResult]] = {}

    def train_epoch(self) -> list[EpochResult]:
        """Train every member for its next epoch and return one result a member."""
        return self._within_memory(self._train_epoch, len(self.cohort.keys))

    def files(self, key: int) -> Mapping[str, bytes]:
        """Return what is to be kept of a member: what it said in its best epoch, and pictures."""
        content = self._val_probs.file(key)
        return {} if content is None else {FILE: content, **self._pictures(key)}

    def drop(self, keys: Collection[int]) -> None:
        """Remove members; those that stay train on as if the others had never been."""
        self.cohort.drop(keys)
        self._val_probs.drop(keys)
        for key in keys:
            self._results.pop(key, None)

    def admit(self, members: Sequence[Member]) -> None:
        """Take in members between two epochs; each starts at its own first epoch."""
        configs = [self._config_of(member) for member in members]
        keys = [member.key for member in members]
        n_there = len(self.cohort.keys)
        n_members = n_there + len(members)
        check_room(n_members, self._need, self._device, n_there=n_there)
        self._within_memory(lambda: self.cohort.admit(configs, keys), n_members)

    def _train_epoch(self) -> list[EpochResult]:
        results = self.cohort.train_epoch()
        self._val_probs.take(results, self.cohort.val_logits)
        for result in results:
            self._results.setdefault(result.key, []).append(result)
        return results

    def _pictures(self, key: int) -> dict[str, bytes]:
        probs, val = self._val_probs.probs(key), self.cohort.data.val
        if probs is None or not self._classes:
            return {}

        def images_at(indices: npt.NDArray[np.intp]) -> Pixels:
            chosen: Pixels = (
                val.images[torch.from_numpy(indices).to(val.images.device)].cpu().numpy()
            )
            return chosen

        labels = val.labels.cpu().numpy()
        return trial_pictures(self._results[key], probs, labels, self._classes, images_at)

    def _within_memory(self, act: Callable[[], Result], n_members: int) -> Result:
        return within_memory(act, n_members, self._need, self._device)
