"""A training step whose inputs always lie in the same places, as a CUDA graph needs it."""

import torch

from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.inputs.augmentation import DRAWS, draw
from mame_cnn.inputs.batch_images import batch_images
from mame_cnn.inputs.batches import n_steps_per_epoch
from mame_cnn.seeds import generator


class StaticStep:
    """A whole step: normalising, augmenting, forward, backward, penalties, update.

    For cohorts that augment alike, train at a constant rate and drop nothing.
    """

    def __init__(self, cohort: Cohort):
        """Reserve the places."""
        data, n_members = cohort.data, len(cohort.keys)
        self._cohort = cohort
        self._batch_size = min(cohort.configs[0].training.batch_size, len(data.train))
        self.n_steps = n_steps_per_epoch(len(data.train), self._batch_size)
        rates = [[config.training.optimizer.lr] for config in cohort.configs]
        self._lr = data.scale.new_tensor(rates)  # [T, 1]
        self._indices = torch.zeros_like(data.train.labels[: self._batch_size])  # [N]
        self._drawn = data.scale.new_zeros(self._batch_size, len(DRAWS))  # [N, 9]
        self._losses = data.scale.new_zeros(n_members)  # [T]
        self._accuracies = torch.zeros_like(self._losses)  # [T]
        self._epoch = 0

    def begin(self) -> None:
        """Draw the coming epoch: order and augmentation move to the device once."""
        data, data_seed = self._cohort.data, self._cohort.configs[0].data_seed
        n_images = self.n_steps * self._batch_size
        order_generator = generator(data_seed, "order", self._epoch)
        order = torch.randperm(len(data.train), generator=order_generator)
        self._order = order[:n_images].to(self._indices.device).view(self.n_steps, -1)  # [S, N]
        drawn = draw(n_images, generator(data_seed, "augmentation", self._epoch))
        self._draws = drawn.to(self._drawn).view(self.n_steps, self._batch_size, -1)  # [S, N, 9]
        self._losses.zero_()
        self._accuracies.zero_()

    def place(self, number: int) -> None:
        """Put the inputs of one of the epoch's steps into their places."""
        self._indices.copy_(self._order[number])
        self._drawn.copy_(self._draws[number])

    def __call__(self) -> None:
        """Train on what is in place."""
        train, augmentation = self._cohort.data.train, self._cohort.configs[0].augmentation
        stored = train.images[self._indices]
        images = batch_images(self._cohort.data, stored, self._drawn, augmentation)
        labels = train.labels[self._indices]
        loss, accuracy = self._cohort.train_steps([(self._lr, (images, labels))])
        self._losses += loss
        self._accuracies += accuracy

    def end(self) -> list[list[float]]:
        """Validate and return each member's training loss and both accuracies.

        Only here the host waits for the device.
        """
        self._epoch += 1
        val = self._cohort.data.val
        is_correct = self._cohort.logits(val).argmax(-1) == val.labels  # [T, N]
        sums = torch.stack([self._losses, self._accuracies], dim=1) / self.n_steps
        figures: list[list[float]] = torch.cat(
            [sums, is_correct.to(sums.dtype).mean(1, keepdim=True)], dim=1
        ).tolist()
        return figures
