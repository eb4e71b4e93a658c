import os
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.data.layout import read_listing
from tests.mame_cnn.data.conftest import Factory, noise


def test_classes_are_sorted_by_name_and_images_too(make: Factory) -> None:
    listing = read_listing(make.class_folders())
    assert listing.classes == ("bronze", "clay")
    assert [item.name for item in listing.splits["val"]] == [
        "bronze/bronze0.png",
        "bronze/bronze1.png",
        "clay/clay0.png",
        "clay/clay1.png",
    ]
    assert [item.label for item in listing.splits["val"]] == [0, 0, 1, 1]


@pytest.mark.parametrize("name", ["validation", "valid"])
def test_val_may_go_by_another_name(make: Factory, name: str) -> None:
    folder = make.class_folders()
    (folder / "val").rename(folder / name)
    assert read_listing(folder).counts("val") == [2, 2]


def test_two_val_folders_are_refused(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "valid").mkdir()
    with pytest.raises(UserError, match="one val folder only, got val, valid"):
        read_listing(folder)


def test_without_val_a_fixed_share_of_each_class_is_taken_and_said(make: Factory) -> None:
    counts = {"train": {"bronze": 40, "clay": 20, "gold": 3}}
    one, other = (read_listing(make.class_folders(counts, name)) for name in ("one", "other"))
    assert one.counts("val") == [6, 3, 1]  # exact shares of 9: 5.7, 2.9, 0.4
    assert [item.name for item in one.splits["val"]] == [item.name for item in other.splits["val"]]
    assert not {i.name for i in one.splits["val"]} & {i.name for i in one.splits["train"]}
    assert "no val split" in one.notes[0]
    assert "15 %" in one.notes[0].replace("15%", "15 %")


def test_classes_that_train_lacks_are_all_named(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "val" / "gold").mkdir()
    (folder / "test" / "iron").mkdir()
    with pytest.raises(UserError) as caught:
        read_listing(folder)
    assert "val/gold" in str(caught.value)
    assert "test/iron" in str(caught.value)


def test_empty_classes_are_all_named(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "train" / "gold").mkdir()
    (folder / "train" / "iron").mkdir()
    with pytest.raises(UserError, match=r"2 classes without an image in train:\n  gold\n  iron"):
        read_listing(folder)


def test_a_single_fault_is_told_in_the_singular(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "val" / "gold").mkdir()
    with pytest.raises(UserError, match=r": 1 class folder that train does not have:"):
        read_listing(folder)
    (folder / "train" / "gold").mkdir()
    with pytest.raises(UserError, match=r": 1 class without an image in train:"):
        read_listing(folder)


def test_all_names_that_are_not_utf_8_are_shown_escaped(make: Factory) -> None:
    folder = make.class_folders()
    odd_class = Path(os.fsdecode(bytes(folder / "train") + b"/a\xff\xfe"))
    odd_class.mkdir()
    noise("a").save(odd_class / "inside.png")
    noise("b").save(Path(os.fsdecode(bytes(folder / "test/clay") + b"/b\xe9.png")))
    with pytest.raises(UserError) as caught:
        read_listing(folder)
    assert str(caught.value) == "\n".join(
        (
            f"{folder}: 2 names not in UTF-8, to be changed:",
            r"  a\xff\xfe",
            r"  test/clay/b\xe9.png",
        )
    )


def test_a_folder_whose_own_name_is_not_utf_8_is_refused(make: Factory) -> None:
    folder = make.class_folders()
    odd = Path(os.fsdecode(bytes(folder) + b"\xff"))
    folder.rename(odd)
    with pytest.raises(UserError, match=r"folders\\xff: 1 name not in UTF-8") as caught:
        read_listing(odd)
    str(caught.value).encode()


def test_a_left_out_file_may_have_any_name(make: Factory) -> None:
    folder = make.class_folders()
    Path(os.fsdecode(bytes(folder / "train/clay") + b"/a.\xff")).touch()
    notes = read_listing(folder).notes
    assert notes == (r"no images, left out of the class folders: 1 entry (.\xff: 1)",)


def test_a_single_class_is_refused(make: Factory) -> None:
    with pytest.raises(UserError, match=r"only 1 class \(bronze\)"):
        read_listing(make.class_folders({"train": {"bronze": 3}}))


def test_train_without_class_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    noise("a").save(tmp_path / "train" / "a.png")
    with pytest.raises(UserError, match="no class folders"):
        read_listing(tmp_path)


def test_a_class_without_val_images_is_noted(make: Factory) -> None:
    counts = {"train": {"bronze": 2, "clay": 2}, "val": {"bronze": 1}}
    assert read_listing(make.class_folders(counts)).notes == (
        "classes without an image in val: clay",
    )


def test_other_files_are_left_out_and_counted(make: Factory) -> None:
    folder = make.class_folders()
    for name in ("notes.txt", "Thumbs.db", ".DS_Store", "more.txt"):
        (folder / "train" / "clay" / name).write_text("x")
    listing = read_listing(folder)
    assert listing.counts("train") == [4, 3]
    assert "3 entries" in listing.notes[0]
    assert ".db: 1, .txt: 2" in listing.notes[0]


def test_suffixes_are_recognised_in_capitals(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "train/clay/clay0.png").rename(folder / "train/clay/clay0.PNG")
    assert read_listing(folder).counts("train") == [4, 3]
