from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.data.layout import read_listing
from tests.mame_cnn.data.conftest import COUNTS, Factory


def table(folder: Path) -> Path:
    return folder / "MAMe_metadata" / "MAMe_dataset.csv"


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


@pytest.mark.parametrize("images", ["data_256", "MAMe_data_256/data_256", "MAMe_data_256"])
def test_the_images_are_found_flat_and_nested(make: Factory, images: str) -> None:
    listing = read_listing(make.mame(images=images))
    assert {split: len(items) for split, items in listing.splits.items()} == {
        "train": 7,
        "val": 4,
        "test": 3,
    }
    assert all(item.path.is_file() for items in listing.splits.values() for item in items)


def test_the_table_may_lie_in_the_folder_itself(make: Factory) -> None:
    assert len(read_listing(make.mame(metadata=".")).splits["train"]) == 7


def test_classes_have_the_order_of_the_labels_file(make: Factory) -> None:
    listing = read_listing(make.mame(labels=("clay", "bronze")))
    assert listing.classes == ("clay", "bronze")
    assert listing.counts("train") == [3, 4]


def test_a_medium_with_a_trailing_space_joins_its_label(make: Factory) -> None:
    folder = make.mame()
    edit(table(folder), ",bronze,", ",bronze ,", count=-1)
    assert read_listing(folder).counts("train") == [4, 3]


def test_a_table_with_a_byte_order_mark_is_read(make: Factory) -> None:
    folder = make.mame()
    table(folder).write_text(table(folder).read_text(), encoding="utf-8-sig")
    assert len(read_listing(folder).splits["train"]) == 7


def test_names_with_several_dots_and_other_suffixes_are_kept(make: Factory) -> None:
    folder = make.mame()
    edit(table(folder), "train.bronze.0.png", "1953.691.28.a.jpeg")
    assert read_listing(folder).splits["train"][0].name == "1953.691.28.a.jpeg"


def test_all_missing_columns_are_named_with_those_found(make: Factory) -> None:
    folder = make.mame()
    edit(table(folder), "Medium", "Material")
    edit(table(folder), "Subset", "Split")
    with pytest.raises(
        UserError, match=r"missing columns: Medium, Subset; found: Image file, Mat"
    ):
        read_listing(folder)


def test_every_fault_of_the_rows_is_reported_at_once(make: Factory) -> None:
    folder = make.mame()
    edit(table(folder), "bronze,Louvre,train", "bronze,Louvre,trian")
    edit(table(folder), ",clay,", ",mud,")
    edit(table(folder), "val.clay.0.png", "val.clay.1.png")
    edit(table(folder), "test.clay.0.png", "../secret.png")
    with pytest.raises(UserError) as caught:
        read_listing(folder)
    message = str(caught.value)
    assert "line 2: 'trian'" in message
    assert "allowed: train, val, test" in message
    assert "'mud' in 1 row\n" in message
    assert "it has: bronze, clay" in message
    assert message.count("val.clay.1.png") == 2
    assert "'../secret.png'" in message


def test_a_long_list_of_faults_is_cut_and_counted(make: Factory) -> None:
    folder = make.mame({"train": {"bronze": 30, "clay": 5}, "val": {"bronze": 1, "clay": 1}})
    edit(table(folder), "bronze,Louvre,train", "bronze,Louvre,learn", count=-1)
    with pytest.raises(UserError, match=r"\.\.\. and 10 more"):
        read_listing(folder)


def test_a_short_row_is_named_by_its_line(make: Factory) -> None:
    folder = make.mame()
    edit(table(folder), ",bronze,Louvre,train,3144.0,3840.0", ",bronze")
    with pytest.raises(UserError, match="line 2: 2 columns, the header has 6"):
        read_listing(folder)


def test_a_label_without_a_train_image_is_an_error(make: Factory) -> None:
    with pytest.raises(UserError, match=r"1 class without an image in train:\n  gold"):
        read_listing(make.mame(labels=("bronze", "clay", "gold")))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("number,name\n0,bronze\n1,clay\n", "line 1: expected number,name"),
        ("0,bronze\n2,clay\n", r"missing: \[1\]"),
        ("0,bronze\n0,clay\n", "line 2: 0,clay repeats"),
        ("0,bronze\n1,bronze\n", "line 2: 1,bronze repeats"),
        ("", "empty"),
    ],
)
def test_a_faulty_labels_file_is_refused(make: Factory, content: str, fault: str) -> None:
    folder = make.mame()
    table(folder).with_name("MAMe_labels.csv").write_text(content)
    with pytest.raises(UserError, match=fault):
        read_listing(folder)


def test_a_missing_labels_file_is_named(make: Factory) -> None:
    folder = make.mame()
    table(folder).with_name("MAMe_labels.csv").unlink()
    with pytest.raises(UserError, match=r"MAMe_labels\.csv: not found"):
        read_listing(folder)


def test_a_table_that_is_no_text_is_refused(make: Factory) -> None:
    folder = make.mame()
    table(folder).write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UserError, match="not a CSV file in UTF-8"):
        read_listing(folder)


@pytest.mark.parametrize("content", ["", "Image file,Medium,Subset\n"])
def test_an_empty_table_is_refused(make: Factory, content: str) -> None:
    folder = make.mame()
    table(folder).write_text(content)
    with pytest.raises(UserError, match=r"empty file|no rows"):
        read_listing(folder)


def test_without_a_val_subset_some_of_train_serves_as_val(make: Factory) -> None:
    listing = read_listing(make.mame({"train": {"bronze": 20, "clay": 40}}))
    assert listing.counts("val") == [3, 6]
    assert listing.counts("train") == [17, 34]
    assert "serve as val" in listing.notes[0]


def test_the_remark_tells_whose_widths_the_metadata_give(make: Factory) -> None:
    remark = read_listing(make.mame(COUNTS)).remark
    assert "original photographs" in remark
    assert "3,144" in remark
