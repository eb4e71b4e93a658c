"""The training of a cohort by several processes, each with its rows of every batch.

It is the training of `mame_cnn.cohorts.cohort` with sums over processes in four places: statistics
of normalisations, gradients, what is measured, and logits in validation. Weights are the same bits
everywhere, as all processes make the same updates.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.cohorts.flat import FlatParameters
from mame_cnn.configuration.config import Config
from mame_cnn.distribution.layers import Shard, share_layers
from mame_cnn.distribution.pace import Pace
from mame_cnn.distribution.processes import Ranks
from mame_cnn.families.network import CohortNetwork
from mame_cnn.inputs.batches import Batch
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit


def with_largest_share(config: Config, data: DeviceData, ranks: Ranks) -> Config:
    """Return the configuration with the batch of the process that has most of it."""
    if ranks.n == 1:
        return config
    largest = max(ranks.counts(min(config.training.batch_size, len(data.train))))
    training = config.training.model_copy(update={"batch_size": largest})
    return config.model_copy(update={"training": training})


class SharedParameters(FlatParameters):
    """Weights whose gradients are those of the whole batch, though each process has its rows."""

    def __init__(self, network: CohortNetwork, ranks: Ranks):
        super().__init__(list(network.parameters()), first=network.kernels())
        self._ranks = ranks
        self.share = self.weights.new_ones(())
        """Of this process's mean loss in that of the batch."""

    def differentiate(self, loss: Tensor) -> None:
        """Overwrite the gradients with those of the batch's loss, of which this is the rows'."""
        super().differentiate(loss * self.share)
        self._ranks.sum(self.gradients)


class SharedCohort(Cohort):
    """T members that begin together, trained by several processes."""

    _flat: SharedParameters

    def __init__(
        self, configs: Sequence[Config], keys: Sequence[int], data: DeviceData, ranks: Ranks
    ):
        """Draw the members' first weights, the same in each process.

        Args:
            configs: as of `Cohort`; their batch is that of all processes together.
            keys: likewise.
            data: all images, in each process.
            ranks: the processes.
        """
        self._ranks = ranks
        self._pace = Pace(data.scale.device)
        self._shard = Shard(ranks, min(configs[0].training.batch_size, len(data.train)))
        super().__init__(configs, keys, data)
        share_layers(self.network, self._shard)

    def train_steps(self, steps: Iterable[tuple[Tensor, Batch]]) -> tuple[Tensor, Tensor]:
        """Make updates; return each member's mean loss and its accuracy in them, both [T].

        Args:
            steps: this process's images of every batch, and the labels of the whole batch.
        """
        rows = self._shard.rows
        sums = self._flat.weights.new_zeros(2, len(self.keys))
        n_steps = 0
        self.network.train()
        for lr, (images, labels) in steps:
            own = labels[rows]
            self._flat.share = share = self._share(labels)
            logits, loss = self._train_step(images, own, lr)
            sums[0] += loss * share
            sums[1] += (logits.argmax(-1) == own).sum(1)
            n_steps += 1
            self._pace.step_queued()
        losses, n_correct = self._ranks.sum(sums)
        # GPUs of different models may round differently, and stop in different epochs then.
        for tensor in self._averaged():
            self._ranks.take_first(tensor.detach())
        return losses / n_steps, n_correct / (n_steps * self._shard.n_images)

    def logits(self, split: DeviceSplit) -> Tensor:
        """Return the members' logits [T, N, K] for a split, with dropout off.

        Each process computes its rows; the sum with the zeros of others puts them together.
        """
        rows = self._ranks.rows(len(split))
        own = super().logits(_chosen(split, rows))
        logits = own.new_zeros(len(own), len(split), own.shape[2])
        logits[:, rows] = own
        return self._ranks.sum(logits)

    def _validate(self) -> tuple[Tensor, Tensor]:
        """Return each member's validation loss and accuracy, both [T], as the first has them."""
        loss, accuracy = super()._validate()
        loss, accuracy = self._ranks.take_first(torch.stack([loss.double(), accuracy]))
        return loss, accuracy

    def _wait(self) -> None:
        """Wait for what the device was given, and so for the other processes."""
        self._pace.finish()

    def _share_of_batch(self) -> slice:
        """Return this process's rows; it neither gathers nor augments those of others."""
        return self._shard.rows

    def _share(self, labels: Tensor) -> Tensor:
        """Return the share that this process's mean loss has in that of the batch's labels [N]."""
        if self._class_weights is None:
            weights = torch.ones_like(labels, dtype=self._flat.weights.dtype)
        else:
            weights = self._class_weights[labels]
        return weights[self._shard.rows].sum() / weights.sum()

    def _flattened(self) -> SharedParameters:
        return SharedParameters(self.network, self._ranks)


def _chosen(split: DeviceSplit, rows: slice) -> DeviceSplit:
    metadata = None if split.metadata is None else split.metadata[rows]
    return DeviceSplit(split.images[rows], split.labels[rows], metadata)
