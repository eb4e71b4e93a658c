"""Configurations as files: whole, or not there at all."""

import errno
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.configuration.config_file import read_config, write_config
from tests.mame_cnn.factory import make_config


def test_a_full_disk_leaves_what_was_there_and_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.toml"
    write_config(path, make_config(seed=1), {"study": "toy"})
    write_text = Path.write_text

    def full(file: Path, text: str, **options: str) -> int:
        write_text(file, text[: len(text) // 2], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_config(path, make_config(seed=2), {})
    assert raised.value.filename == str(path)
    assert read_config(path) == (make_config(seed=1), {"study": "toy"})
    assert [file.name for file in tmp_path.iterdir()] == ["best.toml"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        write_config(tmp_path / "no" / "best.toml", make_config(), {})
