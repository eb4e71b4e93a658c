from pathlib import Path

import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.scoring.probabilities_file import read_probabilities, write_probabilities

CLASSES = ("image", "NA", "a,b")  # what CSV readers stumble over
NAMES = ("1.png", "007", "c\nd.png")
LABELS = np.array([0, 1, 2])
PROBS = np.random.default_rng(0).dirichlet([1, 1, 1], 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_probabilities(tmp_path / "probs.csv", PROBS, LABELS, NAMES, CLASSES)
    return tmp_path / "probs.csv"


def test_what_is_written_is_read_again_to_the_last_digit(path: Path) -> None:
    assert (read_probabilities(path, LABELS, NAMES, CLASSES) == PROBS).all()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("1.png", "2.png", "is not about these 3 images"),
        ("prob NA", "prob NB", "no table of probabilities"),
        (f"{PROBS[0, 0]}", "much", "no table of probabilities"),
        (f"{PROBS[0, 0]}", "2.5", ".*1 of 3 rows are no probabilities"),
        (f"{PROBS[0, 0]}", "nan", ".*1 of 3 rows are no probabilities"),
    ],
)
def test_a_file_that_was_edited_is_refused(path: Path, old: str, new: str, expected: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=f"probs.csv: {expected}"):
        read_probabilities(path, LABELS, NAMES, CLASSES)


def test_whole_numbers_that_no_float_holds_are_refused(path: Path) -> None:
    text = path.read_text()
    for prob in PROBS[:, 0]:
        text = text.replace(f"{prob}", "9" * 400)
    path.write_text(text)
    with pytest.raises(UserError, match="no table of probabilities"):
        read_probabilities(path, LABELS, NAMES, CLASSES)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "probs.csv").touch()
    with pytest.raises(UserError, match="no table of probabilities"):
        read_probabilities(tmp_path / "probs.csv", LABELS, NAMES, CLASSES)
