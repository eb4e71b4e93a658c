import shutil
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.data import prepare as preparation
from mame_cnn.data.load import load_dataset, load_test
from tests.mame_cnn.data.conftest import Factory, put_special_file


def test_all_unreadable_images_of_both_splits_are_listed_and_nothing_is_kept(
    make: Factory, cache: Path
) -> None:
    folder = make.class_folders()
    (folder / "train/clay/clay0.png").write_text("no image")
    (folder / "val/bronze/bronze1.png").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        load_dataset(str(folder), 8)
    assert "2 unreadable images" in str(caught.value)
    assert "clay/clay0.png: not an image" in str(caught.value)
    assert "bronze/bronze1.png: not an image" in str(caught.value)
    assert [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_many_unreadable_images_are_counted(make: Factory) -> None:
    folder = make.class_folders({"train": {"bronze": 30, "clay": 3}, "val": {"clay": 1}})
    for path in (folder / "train/bronze").iterdir():
        path.write_text("no image")
    with pytest.raises(UserError, match=r"30 unreadable(.|\n)*and 10 more"):
        load_dataset(str(folder), 8)


def test_missing_images_are_counted_and_the_first_named(make: Factory) -> None:
    folder = make.mame()
    for path in (folder / "data_256").glob("val.*"):
        path.unlink()
    with pytest.raises(UserError) as caught:
        load_dataset(str(folder), 8)
    assert "4 of 11 images (train, val) missing" in str(caught.value)
    assert "data_256/val.bronze.0.png" in str(caught.value)


def test_missing_and_unreadable_images_are_reported_together(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "train/clay/clay0.png").unlink()
    (folder / "train/clay/clay0.png").symlink_to("nowhere.png")
    broken = ["train/bronze/bronze0", "train/clay/clay1", "val/clay/clay0", "val/bronze/bronze1"]
    for name in broken:
        (folder / f"{name}.png").write_text("no image")
    with pytest.raises(UserError) as caught:
        load_dataset(str(folder), 8)
    message = str(caught.value)
    assert "1 of 11 images (train, val) missing" in message
    assert "train/clay/clay0.png" in message
    assert "4 unreadable images" in message
    for name in broken:
        assert f"{name}.png: not an image" in message


def test_where_many_images_are_missing_the_others_are_not_tried(
    make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make.class_folders()
    (folder / "val/clay/clay0.png").write_text("no image")
    for name in ("bronze0", "bronze1"):
        (folder / f"train/bronze/{name}.png").unlink()
        (folder / f"train/bronze/{name}.png").symlink_to("nowhere.png")
    monkeypatch.setattr(preparation, "FEW_MISSING", 1)
    with pytest.raises(UserError, match="2 of 11 images") as caught:
        load_dataset(str(folder), 8)
    assert "unreadable" not in str(caught.value)


def test_a_single_unreadable_image_is_told_in_the_singular(make: Factory) -> None:
    folder = make.class_folders()
    (folder / "val/clay/clay0.png").write_text("no image")
    with pytest.raises(UserError, match=r": 1 unreadable image, to be mended or removed:\n"):
        load_dataset(str(folder), 8)


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_what_is_no_regular_file_is_unreadable_and_never_opened(
    make: Factory, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = make.class_folders()
    put_special_file(folder / "train/clay/clay9.png", kind, monkeypatch)
    with pytest.raises(UserError, match=r"clay9\.png: not a regular file"):
        load_dataset(str(folder), 8)


def test_metadata_without_an_image_folder_says_what_was_looked_for(make: Factory) -> None:
    folder = make.mame()
    shutil.rmtree(folder / "data_256")
    with pytest.raises(UserError, match="no image folder; looked for data_256, MAMe_data_256/"):
        load_dataset(str(folder), 8)


def test_missing_test_images_do_not_hinder_training(make: Factory) -> None:
    folder = make.mame()
    for path in (folder / "data_256").glob("test.*"):
        path.unlink()
    assert len(load_dataset(str(folder), 8).train.images) == 7
    with pytest.raises(UserError, match=r"3 of 3 images \(test\) missing"):
        load_test(str(folder), 8)
