"""What is learnt on some digits helps with others of which there are few images."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.transfer import fewer, main, rotated, subset, summarised
from commands.errors import UserError
from mame_cnn.data.load import load_dataset


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small only wait for a second one, eight times as long on a busy machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.usefixtures("one_thread")
def test_half_of_the_digits_teach_the_other_half_better_than_chance_weights(
    tmp_path: Path,
) -> None:
    out = tmp_path / "transfer.json"
    options = ["--image-size", "16", "--per-class", "5", "--seeds", "4", "--epochs", "20"]
    assert main([*options, "--batch", "8", "--device", "cpu", "--json", str(out)]) == 0
    results = {row["arm"]: row for row in json.loads(out.read_text())["results"]}
    assert results["scratch"]["gain"] == 0
    # The whole interval of the paired difference; 4.1 to 8.0 points where this was written.
    assert results["unfrozen"]["low"] > 0


def test_a_subset_has_the_chosen_classes_and_no_other_images() -> None:
    digits = load_dataset("digits", 8)
    some = subset(digits, range(5, 10))
    assert some.classes == ("5", "6", "7", "8", "9")
    assert set(some.val.labels) == set(range(5))
    rows = np.isin(digits.train.labels, range(5, 10))
    np.testing.assert_array_equal(some.train.images, digits.train.images[rows])
    np.testing.assert_array_equal(some.train.labels + 5, digits.train.labels[rows])


def test_the_few_images_are_as_many_of_each_class_and_others_for_each_seed() -> None:
    digits = load_dataset("digits", 8)
    first, again, other = (fewer(digits, 7, seed) for seed in (1, 1, 2))
    assert np.bincount(first.train.labels).tolist() == [7] * 10
    assert first.train.names == again.train.names != other.train.names
    assert first.val is digits.val


def test_more_images_than_there_are_is_told() -> None:
    with pytest.raises(UserError, match="fewer than 1000"):
        fewer(load_dataset("digits", 8), 1000, 0)


def test_the_gain_is_paired() -> None:
    # Seeds differ much, arms always by one point: the interval is of the difference.
    scratch = [0.1, 0.5, 0.9]
    head = [accuracy + 0.01 for accuracy in scratch]
    rows = summarised({"scratch": scratch, "head": head, "unfrozen": scratch})
    assert rows[1]["low"] == pytest.approx(0.01)
    assert rows[1]["high"] == pytest.approx(0.01)


def test_images_are_turned_by_quarters_and_their_class_says_by_how_many() -> None:
    data = load_dataset("digits", 8)
    turned = rotated(data)
    n_images = len(data.train.labels)
    original = Image.fromarray(data.train.images[3, ..., 0])
    for n_turns in range(4):
        row = n_turns * n_images + 3
        expected = np.asarray(original.rotate(90 * n_turns))
        np.testing.assert_array_equal(turned.train.images[row, ..., 0], expected)
        assert turned.train.labels[row] == n_turns
    assert len(set(turned.train.names)) == len(turned.train.labels) == 4 * n_images
