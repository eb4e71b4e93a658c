"""The training of a cohort: T networks of one shape, trained as one.

One network is a cohort of one; there is no other training loop. Every member counts its own
epochs, and what becomes of it depends neither on its slot nor on who else is or was there.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from mame_cnn.batches import WHOLE, Batch, Epoch, View, epoch_batches, n_steps_per_epoch
from mame_cnn.coefficients import gather_coefficients
from mame_cnn.config import Config
from mame_cnn.device_data import DeviceData, DeviceSplit
from mame_cnn.energy import UNMETERED, Meter
from mame_cnn.flat import FlatParameters
from mame_cnn.fusion import fusion_key
from mame_cnn.health import Vitals, chance, vital_columns
from mame_cnn.joining import join
from mame_cnn.loss import add_penalty_gradients, cross_entropy, penalty_values
from mame_cnn.newborn import newborn
from mame_cnn.optimizers import CohortOptimizer
from mame_cnn.progress import EpochResult, Figures, Progress
from mame_cnn.rows import Rows, Snapshot, put, take
from mame_cnn.seeds import generator
from mame_cnn.weight_average import WeightAverage

EVALUATION_BATCH = 256
"""Images in one step of an evaluation of one network."""
_ANOTHER_KEY = "members of a cohort must share a fusion key"


def evaluation_batch(n_members: int, batch_size: int) -> int:
    """Return how many images a step of an evaluation takes: speed and memory, not the result.

    As many as need no more memory than those of one network, or than a step of training.
    """
    return max(1, EVALUATION_BATCH // max(1, n_members), min(EVALUATION_BATCH, 2 * batch_size))


class Cohort:
    """T members that share a fusion key, in slots 0 to T - 1."""

    def __init__(
        self,
        configs: Sequence[Config],
        keys: Sequence[int],
        data: DeviceData,
        meter: Meter = UNMETERED,
        snapshots: Sequence[Snapshot | None] = (),
    ):
        """Draw the members' first weights.

        Args:
            configs: one a member; `ValueError` if their fusion keys differ.
            keys: names of the members, which stay when slots move.
            data: on the device that is to train, in the floating-point type to train in.
            meter: of that device.
            snapshots: none, or one a member, from which it goes on; None: it begins. `ValueError`
                if one does not fit.
        """
        self._fusion_key = fusion_key(configs[0])
        self._training, self._data_seed = configs[0].training, configs[0].data_seed
        self.data = data
        self._meter = meter
        if any(fusion_key(config) != self._fusion_key for config in configs):
            raise ValueError(_ANOTHER_KEY)
        self.network = newborn(configs, data)
        self.configs = list(configs)
        self.keys = list(keys)
        self.progress = [Progress(c.training, chance(data, c.training)) for c in configs]
        self.val_logits: Tensor
        """[T, N, K] of the last epoch's validation, before anyone was dropped or admitted."""
        balanced = self._training.class_weights == "balanced"
        self._class_weights = data.class_weights if balanced else None
        self._flatten()
        self._optimizer = CohortOptimizer(self._training.optimizer.name, self._flat.weights)
        self._average: WeightAverage | None = None
        self._restore(snapshots or [None] * len(configs))

    def train_epoch(self) -> list[EpochResult]:
        """Train every member for its next epoch, evaluate it, and return one result a member."""
        before = self._meter.read()
        started_s = time.perf_counter()
        epoch = self.prepare_epoch()
        train_losses, train_accuracies = self.train_steps(epoch.steps)
        with self._as_evaluated():
            val_losses, val_accuracies = self._validate()
        columns = {
            "train_loss": train_losses,
            "penalty": penalty_values(self._flat.weights, self._coefficients.penalties),
            "train_accuracy": train_accuracies,
            "val_loss": val_losses,
            "val_accuracy": val_accuracies,
        }
        vitals = vital_columns(
            self._flat.weights, self._flat.gradients, list(self._optimizer.state.values())
        )
        # Only here, once an epoch, the host waits for the device.
        read = [column.double() for column in (*columns.values(), *vitals.values())]
        rows = torch.stack(read, dim=1).tolist()
        images_per_s = epoch.n_images / (time.perf_counter() - started_s)
        energy_j = self._meter.share_j(before, len(self.keys))
        results = []
        for progress, key, lr, row in zip(
            self.progress, self.keys, epoch.last_lrs, rows, strict=True
        ):
            measured = dict(zip(columns, row, strict=False))
            figures = Figures(lr=lr, images_per_s=images_per_s, energy_j=energy_j, **measured)
            results.append(progress.ended(key, figures, Vitals(*row[len(columns) :])))
        return results

    def admit(
        self,
        configs: Sequence[Config],
        keys: Sequence[int],
        snapshots: Sequence[Snapshot | None] = (),
    ) -> None:
        """Take in members between two epochs, in the slots after those there are.

        Each starts at its own first epoch with its own first weights, or goes on from its
        snapshot. `ValueError` if one has another fusion key or its snapshot does not fit; then
        nothing has changed.
        """
        newcomers = Cohort(configs, keys, self.data, snapshots=snapshots)
        if newcomers._fusion_key != self._fusion_key:
            raise ValueError(_ANOTHER_KEY)
        # Whoever does not average has a decay of 0: the average is the present value.
        if newcomers._average and not self._average:
            self._average = WeightAverage(self._averaged())
        elif self._average and not newcomers._average:
            newcomers._average = WeightAverage(newcomers._averaged())
        join(self.network, newcomers.network)
        self.configs += newcomers.configs
        self.keys += newcomers.keys
        self.progress += newcomers.progress
        self._flatten()
        self._optimizer.admit(newcomers._optimizer)
        if self._average and newcomers._average:
            self._average.admit(newcomers._average)

    def drop(self, keys: Collection[int]) -> None:
        """Remove members; those that stay train on as if the others had never been."""
        slots = [slot for slot, key in enumerate(self.keys) if key not in keys]
        self.configs = [self.configs[slot] for slot in slots]
        self.keys = [self.keys[slot] for slot in slots]
        self.progress = [self.progress[slot] for slot in slots]
        self.network.select(slots)
        self._flatten()
        self._optimizer.select(slots)
        if self._average is not None:
            self._average.select(slots)

    def snapshot(self, key: int) -> Snapshot:
        """Return all that a member needs to go on after the epoch that has just ended."""
        slot = self.keys.index(key)
        return Snapshot(
            counts=self.progress[slot].counts,
            weights=take(self.network.state_dict(), slot),
            optimizer=take(self._optimizer.tensors(), slot),
            average=take(self._average_of(slot), slot),
        )

    def member_state(self, key: int) -> dict[str, Tensor]:
        """Return copies of the weights that a member is evaluated with, on the CPU.

        Names and shapes are those of torch.nn's plain modules.
        """
        with self._as_evaluated():
            state = self.network.member_state(self.keys.index(key))
        return {name: tensor.cpu() for name, tensor in state.items()}

    def logits(self, split: DeviceSplit) -> Tensor:
        """Return the members' logits [T, N, K] for a split, with dropout off."""
        self.network.eval()
        n_images = evaluation_batch(len(self.keys), self._training.batch_size)
        with torch.inference_mode():
            parts = [
                self.network(self.data.normalise(images.to(self.data.scale.device)))
                for images in split.images.split(n_images)
            ]
        return torch.cat(parts, dim=1)

    def prepare_epoch(self) -> Epoch:
        """Draw all that is random in the coming epoch, and move what the host knows of it."""
        train, batch_size = self.data.train, self._training.batch_size
        n_steps = n_steps_per_epoch(len(train), batch_size)
        rates = [progress.learning_rates(n_steps) for progress in self.progress]  # [T, S]
        batches = epoch_batches(
            self.data,
            [
                View(progress.epoch, config.augmentation)
                for progress, config in zip(self.progress, self.configs, strict=True)
            ],
            batch_size=batch_size,
            data_seed=self._data_seed,
            share=self._share_of_batch(),
        )
        self.network.set_dropout_generators(
            [
                generator(config.seed, "dropout", progress.epoch, device=self.data.scale.device)
                for progress, config in zip(self.progress, self.configs, strict=True)
            ]
        )
        lr_table = self._flat.weights.new_tensor(rates).T.unsqueeze(2)  # [S, T, 1]
        return Epoch(
            steps=zip(lr_table, batches, strict=True),
            n_images=n_steps * min(batch_size, len(train)),
            last_lrs=tuple(own[-1] for own in rates),
        )

    def train_steps(self, steps: Iterable[tuple[Tensor, Batch]]) -> tuple[Tensor, Tensor]:
        """Make updates; return each member's mean loss and its accuracy in them, both [T].

        The host only queues work here, and waits for none of it.
        """
        losses = n_correct = self._flat.weights.new_zeros(len(self.keys))  # [T]
        n_steps = n_images = 0
        self.network.train()
        for lr, (images, labels) in steps:
            logits, loss = self._train_step(images, labels, lr)
            losses = losses + loss
            n_correct = n_correct + (logits.argmax(-1) == labels).sum(1)
            n_images += labels.shape[-1]
            n_steps += 1
        return losses / n_steps, n_correct / n_images

    def _share_of_batch(self) -> slice:
        """Return which images of every batch are trained on here: all of them."""
        return WHOLE

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
        if self._average is not None:
            self._average.update(self._averaged(), self._coefficients.ema_decay)
        return logits.detach(), loss.detach()

    def _validate(self) -> tuple[Tensor, Tensor]:
        """Return each member's validation loss and accuracy, both [T]."""
        labels = self.data.val.labels
        self.val_logits = logits = self.logits(self.data.val)
        loss = cross_entropy(logits, labels, logits.new_zeros(len(logits)), None)
        return loss, (logits.argmax(-1) == labels).double().mean(1)

    def _averaged(self) -> list[Tensor]:
        """Return all that a moving average is over."""
        return [self._flat.weights, *self.network.buffers()]

    def _restore(self, snapshots: Sequence[Snapshot | None]) -> None:
        """Let members go on from their snapshots; averages start where these have none."""
        averages = any(config.training.ema_decay for config in self.configs)
        members = [
            (f"member {key}:", slot, snapshot)
            for slot, (key, snapshot) in enumerate(zip(self.keys, snapshots, strict=True))
            if snapshot is not None
        ]
        for who, slot, snapshot in members:
            put(f"{who} weights", self.network.state_dict(), slot, snapshot.weights)
            put(f"{who} optimizer", self._optimizer.tensors(), slot, snapshot.optimizer)
        if averages:
            self._average = WeightAverage(self._averaged())
        for who, slot, snapshot in members:
            put(f"{who} average", self._average_of(slot), slot, snapshot.average)
            self.progress[slot].go_on(snapshot.counts)

    def _average_of(self, slot: int) -> Rows:
        """Return what is kept of averages if this member needs it."""
        if self._average is None or not self.configs[slot].training.ema_decay:
            return {}
        return self._average.tensors()

    def _as_evaluated(self) -> AbstractContextManager[None]:
        """Let the network have the weights that it is evaluated with."""
        if self._average is None:
            return nullcontext()
        return self._average.in_place_of(self._averaged())

    def _flatten(self) -> None:
        """Move the weights into one matrix and collect the coefficients of its rows."""
        kernels = self.network.kernels()
        self._flat = FlatParameters(list(self.network.parameters()), first=kernels)
        self._coefficients = gather_coefficients(self.configs, self.network, self._flat)
