"""A cohort whose members are trials: parameters become configurations on the way in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.member_state import MemberState, from_bytes, to_bytes
from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.cohorts.rows import Snapshot
from mame_cnn.cohorts.val_probabilities import FILE, ValProbabilities
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.vocabulary import Params
from mame_cnn.data.dataset import Pixels
from mame_cnn.energy import UNMETERED, Meter
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.memory.free_memory import give_back
from mame_cnn.memory.room import check_room, within_memory
from mame_cnn.memory.step_memory import step_memory
from mame_cnn.sketches.trial import trial_pictures

Result = TypeVar("Result")


class Member(Protocol):
    """One trial: its key, its flat parameters, its seed, and where it goes on from."""

    @property
    def key(self) -> int:
        """Names the member in results."""

    @property
    def params(self) -> Params:
        """Flat parameters by name."""

    @property
    def seed(self) -> int:
        """Seeds the member's weights and dropout."""

    @property
    def state(self) -> bytes | None:
        """What `TrialCohort.save` gave for it; None: it begins."""


class TrialCohort:
    """Trains trials that share a fusion key.

    Whatever takes memory raises `MemoryError` where it does not fit, saying what was needed and
    what there is. Before an allocation, this leaves the cohort as it was; if torch finds out in
    the middle of a step, the cohort has given back all that it held and is of no further use.

    Members whose state is damaged or another network's raise `ValueError` and change nothing.
    """

    def __init__(
        self,
        members: Sequence[Member],
        config_of: Callable[[Member], Config],
        data: DeviceData,
        classes: Sequence[str] = (),
        meter: Meter = UNMETERED,
    ):
        """Draw the members' first weights, or go on from their states.

        Args:
            classes: their names, for the pictures that members leave; without them, none are.
            meter: of the device that trains.
        """
        self._config_of = config_of
        self._device = data.scale.device
        self._val_probs = ValProbabilities(data.val.labels)
        self._classes = classes
        self._results: dict[int, list[EpochResult]] = {}
        configs = [config_of(member) for member in members]
        self._need = step_memory(configs[0], data)
        states = _states(members, configs, data)
        check_room(len(configs), self._need, self._device)
        keys = [member.key for member in members]
        self.cohort = self._within_memory(
            lambda: Cohort(configs, keys, data, meter, _snapshots(states)), len(configs)
        )
        self._go_on(keys, states)

    def train_epoch(self) -> list[EpochResult]:
        """Train every member for its next epoch and return one result a member."""
        return self._within_memory(self._train_epoch, len(self.cohort.keys))

    def save(self, key: int) -> bytes:
        """Return all that a member needs to go on after the epoch that has just ended."""
        config = self.cohort.configs[self.cohort.keys.index(key)]
        results = tuple(self._results.get(key, ()))
        snapshot, best = self.cohort.snapshot(key), self._val_probs.best(key)
        return to_bytes(MemberState(config, snapshot, best, results))

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
        """Take in members between two epochs; each begins, or goes on from its state."""
        configs = [self._config_of(member) for member in members]
        states = _states(members, configs, self.cohort.data)
        keys = [member.key for member in members]
        n_there = len(self.cohort.keys)
        n_members = n_there + len(members)
        check_room(n_members, self._need, self._device, n_there=n_there)
        snapshots = _snapshots(states)
        self._within_memory(lambda: self.cohort.admit(configs, keys, snapshots), n_members)
        self._go_on(keys, states)

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

    def _go_on(self, keys: Sequence[int], states: Sequence[MemberState | None]) -> None:
        """Remember what members that go on have done before."""
        for key, state in zip(keys, states, strict=True):
            if state is not None:
                self._results[key] = [replace(result, key=key) for result in state.results]
                if state.best is not None:
                    self._val_probs.go_on(key, state.best)

    def _within_memory(self, act: Callable[[], Result], n_members: int) -> Result:
        try:
            return within_memory(act, n_members, self._need, self._device)
        except MemoryError:
            # Whoever handles the error may hold its traceback, and with it this object.
            vars(self).pop("cohort", None)
            self._val_probs.drop(self._val_probs.keys())
            give_back(self._device)
            raise


def _states(
    members: Sequence[Member], configs: Sequence[Config], data: DeviceData
) -> list[MemberState | None]:
    """Return the states of those that have one; `ValueError` naming the trial whose is unfit."""
    states = []
    for member, config in zip(members, configs, strict=True):
        try:
            states.append(None if member.state is None else _state(member.state, config, data))
        except ValueError as error:
            raise ValueError(f"state of trial {member.key}: {error}") from None
    return states


def _state(content: bytes, config: Config, data: DeviceData) -> MemberState:
    state = from_bytes(content, config)
    shape = (len(data.val), data.n_classes)
    if state.best is not None and state.best.probs.shape != shape:
        raise ValueError(
            f"of other data: probabilities of shape {tuple(state.best.probs.shape)}, "
            f"expected {shape}"
        )
    return state


def _snapshots(states: Sequence[MemberState | None]) -> list[Snapshot | None]:
    return [None if state is None else state.snapshot for state in states]
