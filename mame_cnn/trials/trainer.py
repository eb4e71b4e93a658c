"""The seam's torch side: trains the trials of a search as cohorts of networks.

It has the shape of `search.trainer.Trainer` without importing it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.fusion import fusion_key, shared_names
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.configuration.vocabulary import Params
from mame_cnn.data.dataset import Dataset, Split
from mame_cnn.energy import meter_of
from mame_cnn.environment import environment
from mame_cnn.families.network import infeasible
from mame_cnn.inputs.device_data import to_device
from mame_cnn.inputs.metadata_row import metadata_of
from mame_cnn.memory.room import halved_until_it_fits
from mame_cnn.memory.step_memory import step_memory
from mame_cnn.trials.cohort_size import MOST_MEMBERS, fastest_size
from mame_cnn.trials.trial_cohort import Member, TrialCohort


class ImageTrainer:
    """Trains networks that flat parameters describe on one data set and device."""

    metric = "val_accuracy"

    def __init__(
        self,
        dataset: Dataset,
        *,
        epochs: int,
        data_seed: int,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        n_sharing: int = 1,
    ):
        """Move the data set to the device.

        Args:
            epochs: the most that a trial trains.
            data_seed: seeds order and augmentation of training images for all trials alike.
            precision: of convolutional blocks; all else is in float32.
            n_sharing: processes at work on the device, which share the energy that it uses.
        """
        self.device = device
        self.epochs = epochs
        self._source = dataset.source
        self._classes = dataset.classes
        self._data_seed = data_seed
        self._data = to_device(dataset, device, precision=precision)
        self._meter = meter_of(device, n_sharing)
        n = len(dataset.classes)
        self.data = {
            "name": dataset.name,
            "source": dataset.source,
            "digest": dataset.digest,
            "classes": list(dataset.classes),
            "counts": {"train": _counts(dataset.train, n), "val": _counts(dataset.val, n)},
        }
        self.objective: dict[str, str | int] = {
            "metric": f"best {self.metric} over the epochs",
            "epochs": epochs,
            "image_size": dataset.image_size,
            "seed": data_seed,
        }
        self.environment = environment(device, precision)
        self._fastest: dict[str, int] = {}

    def infeasible(self, params: Params) -> str | None:
        """Say why these parameters describe no network for these images, or return None."""
        try:
            config = self._config(params, seed=0)
        except UserError as error:  # of values that are possible, but not together
            return str(error)
        reason = infeasible(config.network, self._data.image_size, config.training.batch_size)
        return reason or self._data.lacks(metadata_of(config.network))

    def config(self, member: Member) -> dict[str, Any]:
        """Return the member's complete configuration as plain nested values."""
        return self._member_config(member).model_dump(mode="json")

    def fusion_key(self, params: Params) -> str:
        """Return a digest that is equal for parameters that can train as one cohort."""
        return fusion_key(self._config(params, seed=0))

    def shared(self, params: Params) -> frozenset[str]:
        """Return the names among these parameters on which the fusion key depends."""
        return shared_names(params)

    def cohort_size(self, params: Params, wanted: int | None) -> int:
        """Return how many networks like this one to train together.

        Args:
            wanted: so many, halved until they fit; None for as many as train fastest, which is
                measured once for a fusion key.
        """
        config = self._config(params, seed=0)
        need, device = step_memory(config, self._data), self._data.scale.device
        if wanted is not None:
            return halved_until_it_fits(wanted, need, device)
        most = halved_until_it_fits(MOST_MEMBERS, need, device)
        key = fusion_key(config)
        if key not in self._fastest:
            self._fastest[key] = fastest_size(config, self._data, most=most)
        return min(self._fastest[key], most)

    def open(self, members: Sequence[Member]) -> TrialCohort:
        """Start a cohort of members that share a fusion key; those with a state go on from it.

        Raises `MemoryError` if it does not fit, and `ValueError` naming the trial whose state is
        damaged or another network's.
        """
        return TrialCohort(members, self._member_config, self._data, self._classes, self._meter)

    def _member_config(self, member: Member) -> Config:
        return self._config(member.params, member.seed)

    def _config(self, params: Params, seed: int) -> Config:
        return config_from_params(
            params,
            source=self._source,
            image_size=self._data.image_size,
            epochs=self.epochs,
            seed=seed,
            data_seed=self._data_seed,
        )


def _counts(split: Split, n_classes: int) -> list[int]:
    """Return how many images of each class a split has."""
    counts: list[int] = np.bincount(split.labels, minlength=n_classes).tolist()
    return counts
