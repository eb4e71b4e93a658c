from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.data.layout import read_listing
from tests.mame_cnn.data.conftest import Factory


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        read_listing(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="a file; a folder"):
        read_listing(tmp_path / "file")


def test_an_unknown_layout_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UserError) as caught:
        read_listing(tmp_path)
    for part in ("MAMe_metadata/MAMe_dataset.csv", "train/<class>/", "fetch", "holds: pictures"):
        assert part in str(caught.value)


def test_each_layout_is_told_by_its_content(make: Factory) -> None:
    assert read_listing(make.mame()).layout == "MAMe metadata"
    assert read_listing(make.class_folders()).layout == "class folders"


def test_folder_names_that_differ_in_case_only_are_hinted_at(make: Factory) -> None:
    folder = make.class_folders()
    for name in ("train", "val"):
        (folder / name).rename(folder / name.capitalize())
    with pytest.raises(UserError, match=r"lower case: train, val, test; got: Train, Val$"):
        read_listing(folder)


def test_class_folders_without_train_are_hinted_at(make: Factory) -> None:
    train = make.class_folders() / "train"
    with pytest.raises(UserError, match=rf"give the folder above it: {train.parent}$"):
        read_listing(train)
    other = train.rename(train.parent.parent / "mine")
    with pytest.raises(UserError, match=rf"put the class folders into {other}/train/$"):
        read_listing(other)


def test_no_hint_is_given_without_a_reason(make: Factory) -> None:
    folder = make.mame()
    (folder / "MAMe_metadata").rename(folder / "metadata")
    with pytest.raises(UserError, match=r"the folder holds: data_256, metadata$"):
        read_listing(folder)
