from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from mame_cnn.configuration.config import Augmentation
from mame_cnn.inputs.batch_images import batch_images
from mame_cnn.inputs.batches import Batch, View, epoch_batches
from tests.mame_cnn.factory import make_config, make_data

DATA = make_data(n_train=26)
PLAIN = make_config().augmentation
FLIPPED = make_config(flip_horizontal=0.5).augmentation


def seen(views: Sequence[View]) -> list[Batch]:
    return list(epoch_batches(DATA, views, batch_size=8, data_seed=0))


def test_members_that_see_the_same_share_their_batches() -> None:
    for images, labels in seen([View(1, FLIPPED), View(1, FLIPPED)]):
        assert images.shape == (8, 3, 8, 8)
        assert labels.shape == (8,)


def test_members_that_augment_differently_share_labels_alone() -> None:
    for images, labels in seen([View(1, FLIPPED), View(1, PLAIN)]):
        assert images.shape == (2, 8, 3, 8, 8)
        assert labels.shape == (8,)


def test_each_member_sees_what_it_would_see_alone() -> None:
    views = [View(0, PLAIN), View(2, FLIPPED), View(0, FLIPPED), View(2, FLIPPED)]
    together = seen(views)
    assert len(together) == 3
    for slot, view in enumerate(views):
        for (images, labels), (own_images, own_labels) in zip(together, seen([view]), strict=True):
            assert torch.equal(images[slot], own_images)
            assert torch.equal(labels[slot], own_labels)


def test_epochs_differ_in_order() -> None:
    [(first, _), *_], [(second, _), *_] = seen([View(0, PLAIN)]), seen([View(1, PLAIN)])
    assert not torch.equal(first, second)


def test_images_are_augmented_once_for_all_that_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Augmentation] = []

    def counted(
        data: object, images: Tensor, drawn: Tensor, augmentation: Augmentation, *others: Any
    ) -> Tensor:
        calls.append(augmentation)
        return batch_images(DATA, images, drawn, augmentation, *others)

    monkeypatch.setattr("mame_cnn.inputs.batches.batch_images", counted)
    seen([View(0, PLAIN), View(0, FLIPPED), View(0, FLIPPED), View(1, FLIPPED)] * 2)
    assert calls == [PLAIN, FLIPPED, FLIPPED] * 3  # three steps


def test_different_images_lie_as_a_grouped_convolution_takes_them() -> None:
    images, _ = seen([View(0, PLAIN), View(1, PLAIN)])[0]
    taken = images.transpose(0, 1).flatten(1, 2)
    assert taken.data_ptr() == images.data_ptr()  # no copy
    assert taken.is_contiguous(memory_format=torch.channels_last)
