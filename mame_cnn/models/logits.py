"""The logits of a whole split: how many images at once, and what goes with their pixels."""

from collections.abc import Iterable, Iterator
from itertools import repeat

import torch
from torch import Tensor

from mame_cnn.families.cohort_network import CohortNetwork
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit
from mame_cnn.inputs.metadata_row import with_row

EVALUATION_BATCH = 256
"""Images in one step of an evaluation of one network."""


def evaluation_batch(n_members: int, batch_size: int) -> int:
    """Return how many images a step of an evaluation takes: speed and memory, not the result.

    As many as need no more memory than those of one network, or than a step of training.
    """
    return max(1, EVALUATION_BATCH // max(1, n_members), min(EVALUATION_BATCH, 2 * batch_size))


def split_logits(
    network: CohortNetwork, inputs: DeviceData, split: DeviceSplit, n_images: int
) -> Tensor:
    """Return the members' logits [T, N, K] for a split of `inputs`, with dropout off."""
    network.eval()
    with torch.inference_mode():
        parts = [network(images) for images in _shown(inputs, split, n_images)]
    return torch.cat(parts, dim=1)


def _shown(inputs: DeviceData, split: DeviceSplit, n_images: int) -> Iterator[Tensor]:
    """Yield the images of a split as networks read them."""
    metadata: Iterable[Tensor | None] = repeat(None)
    if inputs.shows_metadata(split) and split.metadata is not None:
        metadata = split.metadata.split(n_images)
    for stored, own in zip(split.images.split(n_images), metadata, strict=False):
        images = inputs.normalise(stored.to(inputs.scale.device))
        yield images if own is None else with_row(images, own)
