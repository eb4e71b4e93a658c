from pathlib import Path

import numpy as np
import pytest

from commands.errors import UserError
from mame_cnn.data.load import load_dataset
from mame_cnn.data.metadata import check_sizes, size_inputs
from tests.mame_cnn.data.conftest import Factory


def table_of(folder: Path) -> Path:
    return folder / "MAMe_metadata" / "MAMe_dataset.csv"


def with_sizes(folder: Path, *sizes: tuple[str, str]) -> Path:
    """Give the first rows of a table these sizes."""
    header, *rows = table_of(folder).read_text().splitlines()
    for number, (width, height) in enumerate(sizes):
        kept = rows[number].split(",")[:4]
        rows[number] = ",".join([*kept, width, height])
    table_of(folder).write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_sizes_of_the_photographs_come_from_the_table(make: Factory) -> None:
    folder = with_sizes(make.mame(), ("1000", "500"), ("600.0", "1200.0"))

    train = load_dataset(str(folder), 8).train

    assert train.sizes is not None
    assert train.sizes[:3].tolist() == [[1000, 500], [600, 1200], [3144, 3840]]
    expected = [np.log2(1000 / 2048), np.log2(500 / 2048), 1]
    np.testing.assert_allclose(size_inputs(train)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("side", ["", "wide", "0", "-3", "nan", "inf"])
def test_one_image_without_a_size_leaves_a_split_without_any(make: Factory, side: str) -> None:
    dataset = load_dataset(str(with_sizes(make.mame(), (side, "500"))), 8)

    assert dataset.train.sizes is None
    assert dataset.val.sizes is not None
    with pytest.raises(UserError, match="not known of every image in train; MAMe's own CSV"):
        check_sizes(dataset)


def test_other_sources_know_no_sizes(make: Factory) -> None:
    for source in ("digits", str(make.class_folders())):
        with pytest.raises(UserError, match="in train and val"):
            check_sizes(load_dataset(source, 8))


def test_sizes_make_no_difference_to_the_digest(make: Factory) -> None:
    folder = make.mame()
    before = load_dataset(str(folder), 8).digest

    assert load_dataset(str(with_sizes(folder, ("7", "9"))), 8).digest == before
