from pathlib import Path

import pytest

from mame_cnn.data.layout import read_listing
from mame_cnn.errors import UserError
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
