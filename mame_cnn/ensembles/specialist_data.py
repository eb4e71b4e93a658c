"""The data that specialists see: groups of classes as classes, or one group's classes alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mame_cnn.combining.groups import Groups
from mame_cnn.configuration.config import digest
from mame_cnn.data.dataset import Dataset, Split


def regrouped(dataset: Dataset, groups: Groups) -> Dataset:
    """Return all images, labelled by the group of their class."""
    group_of = np.empty(len(dataset.classes), np.int64)
    for number, group in enumerate(groups):
        group_of[list(group)] = number
    names = [" + ".join(dataset.classes[label] for label in group) for group in groups]
    return _relabelled(dataset, group_of, names, groups)


def within(dataset: Dataset, group: Sequence[int]) -> Dataset:
    """Return the images of one group's classes, labelled by their place in it."""
    place_of = np.full(len(dataset.classes), -1, np.int64)
    place_of[list(group)] = range(len(group))
    return _relabelled(dataset, place_of, [dataset.classes[label] for label in group], [group])


def _relabelled(
    dataset: Dataset,
    label_of: npt.NDArray[np.int64],
    classes: Sequence[str],
    groups: Sequence[Sequence[int]],
) -> Dataset:
    """Return the images whose class has a new label; normalisation stays that of all."""
    return replace(
        dataset,
        classes=tuple(classes),
        digest=digest({"of": dataset.digest, "groups": [list(group) for group in groups]}),
        train=_chosen(dataset.train, label_of),
        val=_chosen(dataset.val, label_of),
    )


def _chosen(split: Split, label_of: npt.NDArray[np.int64]) -> Split:
    labels = label_of[split.labels]
    places = np.flatnonzero(labels >= 0)
    images = split.images if len(places) == len(labels) else split.images[places]
    names = tuple(split.names[place] for place in places)
    sizes = None if split.sizes is None else split.sizes[places]
    return Split(images, labels[places], names, sizes=sizes)
