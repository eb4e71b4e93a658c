"""The batches of an epoch: which images, in which order, changed in which way.

All of it follows from the data seed, the number of the epoch and the augmentation. So members of
a cohort that agree in these see the same batches, and an epoch can be repeated without those
before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mame_cnn.configuration.config import Augmentation
from mame_cnn.inputs.augmentation import draw
from mame_cnn.inputs.batch_images import batch_images
from mame_cnn.inputs.colours import colour_changes, draw_colours
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.inputs.metadata_row import with_row
from mame_cnn.inputs.streaming import gathered
from mame_cnn.seeds import generator

Batch = tuple[Tensor, Tensor]
"""Images [N, C, H, W] and labels [N] that all members share, or a row a member."""
WHOLE = slice(None)
"""The share of one process that trains alone: all images of a batch."""


@dataclass(frozen=True)
class View:
    """What one member is to see of the training images."""

    epoch: int
    """Epochs that the member completed before this one."""
    augmentation: Augmentation


@dataclass(frozen=True)
class Epoch:
    """The coming epoch of every member, with all on the device that its steps need."""

    steps: Iterator[tuple[Tensor, Batch]]
    """Learning rates [T, 1] and batch of each step."""
    n_images: int
    """That each member trains on."""
    last_lrs: tuple[float, ...]
    """Each member's learning rate in the last step."""


def n_steps_per_epoch(n_images: int, batch_size: int) -> int:
    """Return how many full batches an epoch has; fewer images than one batch make one."""
    return max(1, n_images // batch_size)


def epoch_batches(
    data: DeviceData,
    views: Sequence[View],
    *,
    batch_size: int,
    data_seed: int,
    share: slice = WHOLE,
) -> Iterator[Batch]:
    """Return normalised, augmented training images and their labels, a batch a step.

    Images are [N, C, H, W] where all members see the same, else [T, N, C, H, W]; labels are [N]
    where all are in the same epoch, else [T, N]. Every batch is full, so that a step has one
    shape: the fewer than batch_size images at the end of the epoch's random order sit it out,
    other ones in each epoch.

    Whatever must be copied from the host is copied before this returns: a copy in a step would
    make it wait for the host.

    Args:
        views: one a member.
        share: which images of every batch to make; labels are those of the whole batch.
    """
    epochs = dict.fromkeys(view.epoch for view in views)
    is_coloured = any(view.augmentation.color_pca_sd for view in views)
    passes = {
        epoch: _draw_pass(data, epoch, batch_size, data_seed, share, is_coloured)
        for epoch in epochs
    }
    return _batches(data, views, passes)


@dataclass(frozen=True)
class _Pass:
    """One pass over the training images in random order: S steps of N images."""

    images: Iterator[Tensor]
    """uint8 [N, H, W, C] a step."""
    labels: Tensor
    """int64 [S, N of the whole batch]."""
    drawn: Tensor
    """[S, N, 9], what the augmentation of these images needs."""
    colours: Iterable[Tensor | None]
    """[N, C] a step, what their change of colours needs."""
    metadata: Iterable[Tensor | None]
    """[N, M] a step, what images carry beside their pixels."""


def _draw_pass(
    data: DeviceData,
    epoch: int,
    batch_size: int,
    data_seed: int,
    share: slice,
    is_coloured: bool,
) -> _Pass:
    train = data.train
    batch_size = min(batch_size, len(train))
    n_steps = n_steps_per_epoch(len(train), batch_size)
    n_images = n_steps * batch_size
    order = torch.randperm(len(train), generator=generator(data_seed, "order", epoch))
    rows = order[:n_images].view(n_steps, batch_size).to(train.images.device)
    metadata: Iterable[Tensor | None] = [None] * n_steps
    if data.shows_metadata(train) and train.metadata is not None:
        metadata = train.metadata[rows[:, share].to(train.metadata.device)]
    drawn = draw(n_images, generator(data_seed, "augmentation", epoch)).to(data.scale)
    return _Pass(
        images=gathered(train.images, rows[:, share], data.scale.device),
        labels=train.labels[rows.to(train.labels.device)],
        drawn=drawn.unflatten(0, (n_steps, batch_size))[:, share],
        colours=(
            _draw_colours(data, epoch, rows, data_seed)[:, share]
            if is_coloured
            else [None] * n_steps
        ),
        metadata=metadata,
    )


def _draw_colours(data: DeviceData, epoch: int, rows: Tensor, data_seed: int) -> Tensor:
    """Return [S, N, C] for images of rows [S, N].

    From a generator of its own, so that all else is drawn as without it.
    """
    own = generator(data_seed, "colours", epoch)
    drawn = draw_colours(rows.numel(), data.channels, own).to(data.scale)
    changes: Tensor = colour_changes(drawn, data.train.colour_axes).unflatten(0, rows.shape)
    return changes


def _batches(data: DeviceData, views: Sequence[View], passes: dict[int, _Pass]) -> Iterator[Batch]:
    distinct = list(dict.fromkeys(views))
    sees = [distinct.index(view) for view in views]
    of_passes = (
        zip(one.images, one.labels, one.drawn, one.colours, one.metadata, strict=True)
        for one in passes.values()
    )
    for step in zip(*of_passes, strict=True):
        of_epoch = dict(zip(passes, step, strict=True))
        seen = []
        for view in distinct:
            pixels, _, drawn, colours, metadata = of_epoch[view.epoch]
            batch = batch_images(data, pixels, drawn, view.augmentation, colours)
            seen.append(batch if metadata is None else with_row(batch, metadata))
        labels = [of_epoch[view.epoch][1] for view in views]
        yield (
            _side_by_side([seen[number] for number in sees]) if len(seen) > 1 else seen[0],
            torch.stack(labels) if len(passes) > 1 else labels[0],
        )


def _side_by_side(images: list[Tensor]) -> Tensor:
    """Return the members' images as [T, N, C, H, W].

    It is a view of [N, T*C, H, W], which a grouped convolution takes: the network need not copy.
    """
    joined = torch.cat(images, dim=1)
    return joined.view(len(joined), len(images), -1, *joined.shape[2:]).transpose(0, 1)
