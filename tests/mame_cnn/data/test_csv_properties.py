"""Any table that a CSV writer wrote comes back; any other text is refused, or is a table."""

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from commands.errors import UserError
from mame_cnn.data.mame_layout import read_labels, read_table
from mame_cnn.scoring.probabilities_file import read_probabilities, write_probabilities

# Mediums are stripped, and a CSV writer cannot be told from what ends lines.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda name: name == name.strip() and name != ""
)
TEXTS = st.lists(
    st.sampled_from(
        [
            *'0123456789,"\n\r\t;\x00é²٣ ',
            "\ufeff",
            "clay",
            "Image file",
            "Medium",
            "Subset",
            "1e999",
        ]
    ),
    max_size=50,
).map("".join)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "table.csv"


def write(path: Path, rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


@settings(deadline=None)  # the machine may be busy
@given(st.lists(NAMES, min_size=1, unique=True))
def test_any_names_of_classes_come_back_in_the_order_of_their_numbers(
    path: Path, names: list[str]
) -> None:
    write(path, [*enumerate(names)][::-1])
    assert read_labels(path) == tuple(names)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1))
def test_any_rows_of_a_table_come_back(path: Path, rows: list[tuple[str, str, str]]) -> None:
    write(path, [("Image file", "Medium", "Subset"), *rows])
    assert [(row.name, row.medium, row.subset) for row in read_table(path)] == rows


@settings(deadline=None)  # the machine may be busy
@given(TEXTS)
def test_other_texts_are_refused_or_are_tables(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    for read in (read_labels, read_table):
        with suppress(UserError):
            read(path)


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[np.ndarray, list[str], list[str]]:
    classes = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    names = draw(st.lists(NAMES, min_size=1, max_size=4))
    shape = (len(names), len(classes))
    weights = draw(arrays.arrays(np.float64, shape, elements=st.floats(1e-300, 1)))
    return weights / weights.sum(1, keepdims=True), names, classes


@settings(deadline=None)  # the machine may be busy
@given(probabilities())
def test_any_probabilities_come_back_to_the_last_digit(
    path: Path,
    given: tuple[np.ndarray, list[str], list[str]],
) -> None:
    probs, names, classes = given
    labels = np.zeros(len(names), dtype=np.int64)
    write_probabilities(path, probs, labels, names, classes)
    np.testing.assert_allclose(read_probabilities(path, labels, names, classes), probs, rtol=1e-15)
