"""The batches of an epoch: which images, in which order, changed in which way.

All of it follows from the data seed and the number of the epoch, so members of a cohort see the
same batches, and an epoch can be repeated without those before it.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mame_cnn.augmentation import augment, draw
from mame_cnn.config import Augmentation
from mame_cnn.device_data import DeviceData
from mame_cnn.seeds import generator


def n_steps_per_epoch(n_images: int, batch_size: int) -> int:
    """Return how many full batches an epoch has; fewer images than one batch make one."""
    return max(1, n_images // batch_size)


def epoch_batches(
    data: DeviceData,
    augmentations: Sequence[Augmentation],
    *,
    batch_size: int,
    data_seed: int,
    epoch: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield normalised, augmented training images and their labels [N].

    Images are [N, C, H, W] where all members augment alike, else [T, N, C, H, W]. Every batch is
    full, so that a step has one shape: the fewer than batch_size images at the end of the
    epoch's random order sit it out, other ones in each epoch.

    Args:
        augmentations: one a member.
        epoch: epochs completed before this one.
    """
    train = data.train
    batch_size = min(batch_size, len(train))
    n_steps = n_steps_per_epoch(len(train), batch_size)
    n_images = n_steps * batch_size
    device = train.labels.device
    # Moved to the device once an epoch: a copy in every step would make it wait for the host.
    order = torch.randperm(len(train), generator=generator(data_seed, "order", epoch))
    indices = order[:n_images].to(device).view(n_steps, batch_size)
    drawn = draw(n_images, generator(data_seed, "augmentation", epoch)).to(data.scale)
    own = augmentations[:1] if len(set(augmentations)) == 1 else augmentations
    for step_indices, step_drawn in zip(indices, drawn.split(batch_size), strict=True):
        images = data.normalise(train.images[step_indices])
        changed = [augment(images, step_drawn, augmentation) for augmentation in own]
        batch = changed[0] if len(own) == 1 else torch.stack(changed)
        yield batch, train.labels[step_indices]
