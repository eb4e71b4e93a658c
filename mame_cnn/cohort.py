"""The training of a cohort: T networks of one shape, on the same batches, as one.

One network is a cohort of one; there is no other training loop.
"""

import math
import time
from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from mame_cnn.batches import epoch_batches, n_steps_per_epoch
from mame_cnn.coefficients import gather_coefficients
from mame_cnn.config import Config
from mame_cnn.device_data import DeviceData, DeviceSplit
from mame_cnn.flat import FlatParameters
from mame_cnn.fusion import fusion_key
from mame_cnn.loss import add_penalty_gradients, cross_entropy, penalty_values
from mame_cnn.network import CohortNetwork
from mame_cnn.optimizers import CohortOptimizer
from mame_cnn.progress import EpochResult, Progress
from mame_cnn.schedules import lr_factor
from mame_cnn.seeds import generator

EVALUATION_BATCH = 256
"""Images in one step of an evaluation; it changes memory and speed, never the result."""


class Cohort:
    """T members that share a fusion key, in slots 0 to T - 1."""

    def __init__(self, configs: Sequence[Config], keys: Sequence[int], data: DeviceData):
        """Draw the members' first weights.

        Args:
            configs: one a member; `ValueError` if their fusion keys differ.
            keys: names of the members, which stay when slots move.
            data: on the device that is to train, in the floating-point type to train in.
        """
        if len({fusion_key(config) for config in configs}) != 1:
            raise ValueError("members of a cohort must share a fusion key")
        self.configs = list(configs)
        self.keys = list(keys)
        self.data = data
        self.progress = [Progress(config.training) for config in configs]
        network = CohortNetwork(
            [config.network for config in configs],
            channels=data.channels,
            image_size=data.image_size,
            n_classes=data.n_classes,
        )
        network.initialise([generator(config.seed, "weights") for config in configs])
        self.network = network.to(data.scale)
        balanced = configs[0].training.class_weights == "balanced"
        self._class_weights = data.class_weights if balanced else None
        self._flatten()
        self._optimizer = CohortOptimizer(configs[0].training.optimizer.name, self._flat.weights)

    def train_epoch(self) -> list[EpochResult]:
        """Train every member for one epoch, evaluate it, and return one result a member."""
        started_s = time.perf_counter()
        self.network.train()
        epoch, device = self.progress[0].epoch, self.data.scale.device
        self.network.set_dropout_generators(
            [generator(config.seed, "dropout", epoch, device=device) for config in self.configs]
        )
        batch_size = self.configs[0].training.batch_size
        n_steps = n_steps_per_epoch(len(self.data.train), batch_size)
        lrs = self._learning_rates(n_steps)
        lr_table = self._flat.weights.new_tensor(lrs).unsqueeze(2)  # [S, T, 1]
        losses = n_correct = torch.zeros(len(self.keys), device=device)  # [T]
        n_images = 0
        for lr, (images, labels) in zip(lr_table, self._batches(epoch), strict=True):
            logits, loss = self._train_step(images, labels, lr)
            losses = losses + loss
            n_correct = n_correct + (logits.argmax(-1) == labels).sum(1)
            n_images += len(labels)
        train_loss = (losses / n_steps).tolist()
        train_accuracy = (n_correct / n_images).tolist()
        penalties = penalty_values(self._flat.weights, self._coefficients.penalties).tolist()
        val_loss, val_accuracy = self._validate()
        images_per_s = n_images / (time.perf_counter() - started_s)
        figures = zip(
            lrs[-1], train_loss, penalties, train_accuracy, val_loss, val_accuracy, strict=True
        )
        return [self._result(slot, images_per_s, *own) for slot, own in enumerate(figures)]

    def drop(self, keys: Collection[int]) -> None:
        """Remove members; those that stay train on as if the others had never been."""
        slots = [slot for slot, key in enumerate(self.keys) if key not in keys]
        self.configs = [self.configs[slot] for slot in slots]
        self.keys = [self.keys[slot] for slot in slots]
        self.progress = [self.progress[slot] for slot in slots]
        if not slots:
            return
        self.network.select(slots)
        self._flatten()
        self._optimizer.select(slots)

    def logits(self, split: DeviceSplit) -> Tensor:
        """Return the members' logits [T, N, K] for a split, with dropout off."""
        self.network.eval()
        with torch.inference_mode():
            parts = [
                self.network(self.data.normalise(images))
                for images in split.images.split(EVALUATION_BATCH)
            ]
        return torch.cat(parts, dim=1)

    def _flatten(self) -> None:
        """Move the weights into one matrix and collect the coefficients of its rows."""
        kernels = self.network.kernels()
        self._flat = FlatParameters(list(self.network.parameters()), first=kernels)
        self._coefficients = gather_coefficients(self.configs, self.network, self._flat)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return epoch_batches(
            self.data,
            [config.augmentation for config in self.configs],
            batch_size=self.configs[0].training.batch_size,
            data_seed=self.configs[0].data_seed,
            epoch=epoch,
        )

    def _learning_rates(self, n_steps: int) -> list[list[float]]:
        """Return the learning rates of the coming epoch, [S, T]: a row a step."""
        epoch = self.progress[0].epoch
        return [
            [
                config.training.optimizer.lr
                * lr_factor(
                    config.training.schedule,
                    step=epoch * n_steps + step,
                    n_steps_per_epoch=n_steps,
                    epochs=config.training.epochs,
                    n_reductions=progress.n_reductions,
                )
                for config, progress in zip(self.configs, self.progress, strict=True)
            ]
            for step in range(n_steps)
        ]

    def _train_step(self, images: Tensor, labels: Tensor, lr: Tensor) -> tuple[Tensor, Tensor]:
        """Update every member once at lr [T, 1]; return its logits [T, N, K] and loss [T]."""
        logits = self.network(images)
        loss = cross_entropy(
            logits, labels, self._coefficients.label_smoothing, self._class_weights
        )
        self._flat.differentiate(loss.sum())
        weights, gradients = self._flat.weights, self._flat.gradients
        add_penalty_gradients(weights, gradients, self._coefficients.penalties)
        self._optimizer.step(
            weights,
            gradients,
            lr=lr,
            momentum=self._coefficients.momentum,
            weight_decay=self._coefficients.weight_decay,
            n_decayed=self._flat.n_first,
        )
        return logits.detach(), loss.detach()

    def _validate(self) -> tuple[list[float], list[float]]:
        """Return each member's validation loss and accuracy."""
        labels = self.data.val.labels
        logits = self.logits(self.data.val)
        loss = cross_entropy(logits, labels, logits.new_zeros(len(logits)), None)
        accuracy = (logits.argmax(-1) == labels).to(torch.float64).mean(1)
        return loss.tolist(), accuracy.tolist()

    def _result(
        self,
        slot: int,
        images_per_s: float,
        lr: float,
        train_loss: float,
        penalty: float,
        train_accuracy: float,
        val_loss: float,
        val_accuracy: float,
    ) -> EpochResult:
        """Count the epoch of one member and describe it."""
        progress = self.progress[slot]
        failure, is_best = None, False
        if math.isfinite(train_loss + penalty + val_loss):
            is_best = progress.completed(val_accuracy, val_loss)
        else:
            progress.failed()
            failure = (
                f"loss is no longer finite in epoch {progress.epoch} (train {train_loss:g}, "
                f"penalty {penalty:g}, validation {val_loss:g})"
            )
        return EpochResult(
            key=self.keys[slot],
            epoch=progress.epoch,
            lr=lr,
            train_loss=train_loss,
            penalty=penalty,
            train_accuracy=train_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            images_per_s=images_per_s,
            is_best=is_best,
            is_finished=progress.is_finished,
            failure=failure,
        )
