"""The training of a cohort: T networks of one shape, trained as one.

One network is a cohort of one; there is no other training loop. Every member counts its own
epochs, and what becomes of it depends neither on its slot nor on who else is or was there.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mame_cnn.cohorts.averaging import Averaging
from mame_cnn.cohorts.coefficients import gather_coefficients
from mame_cnn.cohorts.flat import FlatParameters
from mame_cnn.cohorts.health import Vitals, chance, vital_columns
from mame_cnn.cohorts.joining import join
from mame_cnn.cohorts.loss import add_penalty_gradients, cross_entropy, penalty_values, with_l1_of
from mame_cnn.cohorts.newborn import newborn
from mame_cnn.cohorts.optimizers import CohortOptimizer
from mame_cnn.cohorts.progress import EpochResult, Figures, Progress
from mame_cnn.cohorts.rows import Snapshot, put, take
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.fusion import fusion_key
from mame_cnn.device import wait_for
from mame_cnn.energy import UNMETERED, Meter
from mame_cnn.inputs.batches import WHOLE, Batch, Epoch, View, epoch_batches, n_steps_per_epoch
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit
from mame_cnn.inputs.metadata_row import metadata_of
from mame_cnn.models.logits import evaluation_batch, split_logits
from mame_cnn.pretrained.features import inputs_of
from mame_cnn.pretrained.unfreezing import begins, steps_of
from mame_cnn.seeds import generator

_ANOTHER_KEY = "members of a cohort must share a fusion key"


class Cohort:
    """T members that share a fusion key, in slots 0 to T - 1."""

    def __init__(
        self,
        configs: Sequence[Config],
        keys: Sequence[int],
        data: DeviceData,
        meter: Meter = UNMETERED,
        snapshots: Sequence[Snapshot | None] = (),
        inputs: DeviceData | None = None,
    ):
        """Draw the members' first weights.

        Args:
            configs: one a member; `ValueError` if their fusion keys differ.
            keys: names of the members, which stay when slots move.
            data: on the device that is to train, in the floating-point type to train in.
            meter: of that device.
            snapshots: none, or one a member, from which it goes on; None: it begins. `ValueError`
                if one does not fit.
            inputs: what the cohort reads that they are to join; None: it is found out.
        """
        self._fusion_key = fusion_key(configs[0])
        self._training, self._data_seed = configs[0].training, configs[0].data_seed
        self.data = replace(
            data,
            normalisation=configs[0].data.normalisation,
            metadata=metadata_of(configs[0].network),
        )
        self._meter = meter
        if any(fusion_key(config) != self._fusion_key for config in configs):
            raise ValueError(_ANOTHER_KEY)
        self.network = newborn(configs, data)
        self.inputs = inputs or inputs_of(self.network, configs, self.data)
        """What the network reads: the data, or features in place of its images."""
        self.configs = list(configs)
        self.keys = list(keys)
        self.progress = [
            Progress(c.training, chance(data, c.training), steps_of(c.network)) for c in configs
        ]
        self.val_logits: Tensor
        """[T, N, K] of the last epoch's validation, before anyone was dropped or admitted."""
        balanced = self._training.class_weights == "balanced"
        self._class_weights = data.class_weights if balanced else None
        self._flatten()
        self._optimizer = CohortOptimizer(self._training.optimizer.name, self._flat.weights)
        self._restore(snapshots or [None] * len(configs))

    def train_epoch(self) -> list[EpochResult]:
        """Train every member for its next epoch, evaluate it, and return one result a member."""
        before = self._meter.read()
        started_s = time.perf_counter()
        epoch = self.prepare_epoch()
        train_losses, train_accuracies = self.train_steps(epoch.steps)
        with self._averaging.in_place_of(self._averaged):
            val_losses, val_accuracies = self._validate()
        columns = {
            "train_loss": train_losses,
            "penalty": penalty_values(self._flat.weights, self._penalties),
            "train_accuracy": train_accuracies,
            "val_loss": val_losses,
            "val_accuracy": val_accuracies,
        }
        vitals = vital_columns(
            self._flat.weights, self._flat.gradients, list(self._optimizer.state.values())
        )
        # Only here, once an epoch, the host waits for the device.
        self._wait()
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
        newcomers = Cohort(configs, keys, self.data, snapshots=snapshots, inputs=self.inputs)
        if newcomers._fusion_key != self._fusion_key:
            raise ValueError(_ANOTHER_KEY)
        self._averaging.admit(self._averaged, newcomers._averaging, newcomers._averaged)
        join(self.network, newcomers.network)
        self.configs += newcomers.configs
        self.keys += newcomers.keys
        self.progress += newcomers.progress
        self._flatten()
        self._optimizer.admit(newcomers._optimizer)

    def drop(self, keys: Collection[int]) -> None:
        """Remove members; those that stay train on as if the others had never been."""
        slots = [slot for slot, key in enumerate(self.keys) if key not in keys]
        self.configs = [self.configs[slot] for slot in slots]
        self.keys = [self.keys[slot] for slot in slots]
        self.progress = [self.progress[slot] for slot in slots]
        self.network.select(slots)
        self._flatten()
        self._optimizer.select(slots)
        self._averaging.select(slots)

    def snapshot(self, key: int) -> Snapshot:
        """Return all that a member needs to go on after the epoch that has just ended."""
        slot = self.keys.index(key)
        return Snapshot(
            counts=self.progress[slot].counts,
            weights=take(self.network.state_dict(), slot),
            optimizer=take(self._optimizer.tensors(), slot),
            average=take(self._averaging.rows_of(slot), slot),
        )

    def member_state(self, key: int) -> dict[str, Tensor]:
        """Return copies of the weights that a member is evaluated with, on the CPU.

        Names and shapes are those of torch.nn's plain modules.
        """
        with self._averaging.in_place_of(self._averaged):
            state = self.network.member_state(self.keys.index(key))
        return {name: tensor.cpu() for name, tensor in state.items()}

    def logits(self, split: DeviceSplit) -> Tensor:
        """Return the members' logits [T, N, K] for a split of `inputs`, with dropout off."""
        n_images = evaluation_batch(len(self.keys), self._training.batch_size)
        return split_logits(self.network, self.inputs, split, n_images)

    def prepare_epoch(self) -> Epoch:
        """Draw all that is random in the coming epoch, and move what the host knows of it."""
        self._unfreeze()
        train, batch_size = self.data.train, self._training.batch_size
        n_steps = n_steps_per_epoch(len(train), batch_size)
        rates = [progress.learning_rates(n_steps) for progress in self.progress]  # [T, S]
        batches = epoch_batches(
            self.inputs,
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
        has_l1 = [
            progress.epoch >= progress.training.l1_after_epochs for progress in self.progress
        ]
        self._penalties = with_l1_of(self._coefficients.penalties, has_l1)
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

    def _wait(self) -> None:
        """Wait for what the device was given."""
        wait_for(self.data.scale.device)

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
        add_penalty_gradients(weights, gradients, self._penalties)
        self._optimizer.step(
            weights,
            gradients,
            lr=lr,
            momentum=self._coefficients.momentum,
            weight_decay=self._coefficients.weight_decay,
            n_decayed=self._flat.n_first,
        )
        self._averaging.update(self._averaged, self._coefficients.ema_decay)
        return logits.detach(), loss.detach()

    def _validate(self) -> tuple[Tensor, Tensor]:
        """Return each member's validation loss and accuracy, both [T]."""
        labels = self.data.val.labels
        self.val_logits = logits = self.logits(self.inputs.val)
        loss = cross_entropy(logits, labels, logits.new_zeros(len(logits)), None)
        return loss, (logits.argmax(-1) == labels).double().mean(1)

    def _unfreeze(self) -> None:
        """Begin the steps of unfreezing that the coming epoch is the first of."""
        self.network.begin([progress.epoch for progress in self.progress])
        for slot, progress in enumerate(self.progress):
            if begins(progress.steps, progress.epoch):
                self._optimizer.restart(slot)

    def _averaged(self) -> list[Tensor]:
        """Return all that a moving average is over."""
        return [self._flat.weights, *self.network.buffers()]

    def _restore(self, snapshots: Sequence[Snapshot | None]) -> None:
        """Let members go on from their snapshots; averages start where these have none."""
        members = [
            (f"member {key}:", slot, snapshot)
            for slot, (key, snapshot) in enumerate(zip(self.keys, snapshots, strict=True))
            if snapshot is not None
        ]
        for who, slot, snapshot in members:
            put(f"{who} weights", self.network.state_dict(), slot, snapshot.weights)
            put(f"{who} optimizer", self._optimizer.tensors(), slot, snapshot.optimizer)
        decays = [config.training.ema_decay for config in self.configs]
        self._averaging = Averaging(self._averaged, decays)
        for who, slot, snapshot in members:
            put(f"{who} average", self._averaging.rows_of(slot), slot, snapshot.average)
            self.progress[slot].go_on(snapshot.counts)

    def _flatten(self) -> None:
        """Move the weights into one matrix and collect the coefficients of its rows."""
        self._flat = self._flattened()
        self._coefficients = gather_coefficients(self.configs, self.network, self._flat)
        self._penalties = self._coefficients.penalties
        """Those in force in this epoch."""

    def _flattened(self) -> FlatParameters:
        return FlatParameters(list(self.network.parameters()), first=self.network.kernels())
