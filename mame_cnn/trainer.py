"""The seam's torch side: trains the trials of a search as cohorts of networks.

It has the shape of `search.trainer.Trainer` without importing it.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from mame_cnn.cohort import Cohort
from mame_cnn.config import Config
from mame_cnn.data.dataset import Dataset
from mame_cnn.device_data import to_device
from mame_cnn.environment import environment
from mame_cnn.fusion import fusion_key
from mame_cnn.network import infeasible
from mame_cnn.parameters import config_from_params
from mame_cnn.vocabulary import Params


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


class ImageTrainer:
    """Trains networks that flat parameters describe on one data set and device."""

    metric = "val_accuracy"

    def __init__(self, dataset: Dataset, *, epochs: int, data_seed: int, device: torch.device):
        """Move the data set to the device.

        Args:
            epochs: the most that a trial trains.
            data_seed: seeds order and augmentation of training images for all trials alike.
        """
        self.epochs = epochs
        self._source = dataset.source
        self._data_seed = data_seed
        self._data = to_device(dataset, device)
        self.data = {"name": dataset.name, "source": dataset.source, "digest": dataset.digest}
        self.objective = {
            "metric": f"best {self.metric} over the epochs",
            "epochs": epochs,
            "image_size": dataset.image_size,
            "seed": data_seed,
        }
        self.environment = environment(device)

    def infeasible(self, params: Params) -> str | None:
        """Say why these parameters describe no network for these images, or return None."""
        return infeasible(self._config(params, seed=0).network, self._data.image_size)

    def config(self, member: Member) -> dict[str, Any]:
        """Return the member's complete configuration as plain nested values."""
        return self._config(member.params, member.seed).model_dump(mode="json")

    def fusion_key(self, params: Params) -> str:
        """Return a digest that is equal for parameters that can train as one cohort."""
        return fusion_key(self._config(params, seed=0))

    def open(self, members: Sequence[Member]) -> Cohort:
        """Start a cohort of members that share a fusion key."""
        configs = [self._config(member.params, member.seed) for member in members]
        return Cohort(configs, [member.key for member in members], self._data)

    def _config(self, params: Params, seed: int) -> Config:
        return config_from_params(
            params,
            source=self._source,
            image_size=self._data.image_size,
            epochs=self.epochs,
            seed=seed,
            data_seed=self._data_seed,
        )
