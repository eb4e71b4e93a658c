import numpy as np
import pytest
from sklearn.datasets import load_digits

from mame_cnn.data import digits
from mame_cnn.data.load import load_dataset, load_test


def test_the_digits_are_split_into_1197_300_and_300_without_overlap() -> None:
    data, test = load_dataset("digits"), load_test("digits")
    splits = (data.train, data.val, test)
    assert [len(split.images) for split in splits] == [1197, 300, 300]
    assert len({name for split in splits for name in split.names}) == 1797


def test_every_split_has_its_share_of_each_digit_within_one() -> None:
    target = load_digits().target
    data, test = load_dataset("digits"), load_test("digits")
    for split in (data.val, test):
        exact = np.bincount(target) * 300 / 1797
        # Val is shared out of what test left over, so its shares may be off by one of each.
        assert np.all(np.abs(np.bincount(split.labels) - exact) < 2)
    assert np.all(np.abs(np.bincount(test.labels) - np.bincount(target) * 300 / 1797) < 1)


def test_names_lead_back_to_the_labels_of_scikit_learn() -> None:
    target = load_digits().target
    val = load_dataset("digits").val
    assert [target[int(name.removeprefix("digit-"))] for name in val.names] == val.labels.tolist()


def test_the_digits_are_32_px_grey_images_by_default() -> None:
    data = load_dataset("digits")
    assert data.train.images.shape == (1197, 32, 32, 1)
    assert (data.image_size, data.channels, data.classes) == (32, 1, tuple("0123456789"))


def test_at_their_own_size_the_digits_are_only_scaled_to_bytes() -> None:
    values = load_digits().images
    train = load_dataset("digits", 8).train
    indices = [int(name.removeprefix("digit-")) for name in train.names]
    np.testing.assert_array_equal(
        train.images[..., 0], np.rint(values[indices] * 255 / 16).astype(np.uint8)
    )


def test_mean_and_deviation_are_those_of_the_train_images() -> None:
    data = load_dataset("digits")
    scaled = data.train.images / 255
    assert data.mean == pytest.approx([scaled.mean()], abs=1e-12)
    assert data.std == pytest.approx([scaled.std()], abs=1e-12)


def test_the_digest_is_the_same_each_time_and_depends_on_the_size() -> None:
    assert load_dataset("digits").digest == load_dataset("digits").digest
    assert load_dataset("digits").digest != load_dataset("digits", 16).digest


def test_the_arrays_of_the_digits_cannot_be_written() -> None:
    data = load_dataset("digits")
    assert not data.train.images.flags.writeable
    assert not data.train.labels.flags.writeable
    assert data.train.images.flags.c_contiguous


def test_the_user_is_told_that_the_data_are_embedded() -> None:
    assert load_dataset("digits").notes == (digits.NOTE,)
    assert len(digits.NOTE) < 100
    assert "\n" not in digits.NOTE
    for part in ("embedded digits", "--data DIR", "$MAME_DATA", "data/mame"):
        assert part in digits.NOTE
