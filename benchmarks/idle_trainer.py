"""A trainer that only sleeps: what passes between its epochs is the engine's own time."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import torch

from mame_cnn.cohorts.progress import EpochResult
from mame_cnn.cohorts.val_probabilities import FILE
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.trials.trainer import ImageTrainer
from search.space import Value
from search.trainer import Member

_N_VAL, _N_CLASSES = 1450, 29
"""MAMe's validation images and classes."""


@dataclass(frozen=True)
class Nap:
    """An epoch that was slept."""

    epoch: int
    """From 1."""
    begin_s: float
    end_s: float
    processor_s: float
    """What all threads of the process had computed when it began."""


@dataclass(frozen=True)
class Gap:
    """What passes from an epoch to the next one."""

    wall_s: float
    """From the end of the one to the beginning of the other: nothing trains."""
    processor_s: float
    """Computed by all threads from beginning to beginning: also while an epoch is slept."""


@dataclass
class Clock:
    """When epochs began and ended."""

    naps: list[Nap] = field(default_factory=list)

    def between_epochs(self) -> list[Gap]:
        """Return what lies between an epoch and the same trial's next one."""
        return self._gaps(is_first=False)

    def between_trials(self) -> list[Gap]:
        """Return what lies between a trial's last epoch and the next trial's first."""
        return self._gaps(is_first=True)

    def _gaps(self, *, is_first: bool) -> list[Gap]:
        return [
            Gap(then.begin_s - now.end_s, then.processor_s - now.processor_s)
            for now, then in zip(self.naps, self.naps[1:], strict=False)
            if (then.epoch == 1) == is_first
        ]


class IdleTrainer:
    """Configures trials as the trainer of images does, and sleeps for an epoch."""

    def __init__(self, epochs: int, epoch_s: float) -> None:
        self.images = ImageTrainer(_grey(), epochs=epochs, data_seed=0, device=torch.device("cpu"))
        self.clock = Clock()
        self.epoch_s = epoch_s
        self.metric = self.images.metric
        self.epochs = epochs
        self.data: Mapping[str, Any] = self.images.data
        self.objective: Mapping[str, Any] = self.images.objective
        self.environment: Mapping[str, str] = self.images.environment

    def infeasible(self, params: Mapping[str, Value]) -> str | None:
        """Say what the trainer of images says."""
        return self.images.infeasible(params)

    def config(self, member: Member) -> dict[str, Any]:
        """Return what the trainer of images returns."""
        return self.images.config(member)

    def fusion_key(self, params: Mapping[str, Value]) -> str:
        """Return what the trainer of images returns."""
        return self.images.fusion_key(params)

    def shared(self, params: Mapping[str, Value]) -> frozenset[str]:
        """Return what the trainer of images returns."""
        return self.images.shared(params)

    def cohort_size(self, params: Mapping[str, Value], wanted: int | None) -> int:
        """Return one: the cost of a trial is told apart only where it is alone."""
        return 1

    def open(self, members: Sequence[Member]) -> "IdleCohort":
        """Start a cohort that only looks at the clock."""
        return IdleCohort(self, list(members))


@dataclass
class IdleCohort:
    """Members whose accuracy rises to a height that their seed decides."""

    trainer: IdleTrainer
    members: list[Member]
    epoch: int = 0

    def train_epoch(self) -> Sequence[EpochResult]:
        """Sleep, note the time and return one result a member."""
        begin_s, processor_s = time.perf_counter(), time.process_time()
        time.sleep(self.trainer.epoch_s)
        self.epoch += 1
        results = [self._result(member) for member in self.members]
        nap = Nap(self.epoch, begin_s, time.perf_counter(), processor_s)
        self.trainer.clock.naps.append(nap)
        return results

    def save(self, key: int) -> bytes:
        """Return nothing of use: a benchmark does not go on."""
        return bytes(0)

    def files(self, key: int) -> Mapping[str, bytes]:
        """Return a file of the size that a trial on MAMe leaves: float16 [N, K] and int64 [N]."""
        return {FILE: bytes(2 * _N_VAL * _N_CLASSES + 8 * _N_VAL)}

    def drop(self, keys: Collection[int]) -> None:
        """Remove members."""
        self.members = [member for member in self.members if member.key not in keys]

    def admit(self, members: Sequence[Member]) -> None:
        """Refuse: a cohort of one has no slot that others could take."""
        raise NotImplementedError("a cohort of one has no free slot")

    def _result(self, member: Member) -> EpochResult:
        accuracy = Random(member.seed).uniform(0.3, 0.8) * (1 - 0.8**self.epoch)
        return EpochResult(
            key=member.key,
            epoch=self.epoch,
            lr=1e-3,
            train_loss=1 - accuracy,
            penalty=0.0,
            train_accuracy=accuracy,
            val_loss=1 - accuracy,
            val_accuracy=accuracy,
            images_per_s=1000.0,
            is_best=True,
            is_finished=self.epoch == self.trainer.epochs,
            failure=None,
        )


def _grey() -> Dataset:
    """Return one grey image of MAMe's size a class and split, as nothing will look at it."""
    images = np.full((2, 256, 256, 3), 128, dtype=np.uint8)
    split = Split(images, np.arange(2), ("first", "second"))
    return Dataset(
        name="grey",
        source="grey",
        classes=("first", "second"),
        image_size=256,
        channels=3,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        digest="0" * 12,
        notes=(),
        train=split,
        val=split,
    )
