from pathlib import Path

import pytest

from commands.errors import exit_status
from mame_cnn.data.__main__ import main
from tests.mame_cnn.data.conftest import Factory


def test_prepare_says_where_how_large_and_leaves_test_alone(
    make: Factory, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", str(make.mame()), "--image-size", "16"]) == 0
    out = capsys.readouterr().out
    assert "mame at 16 x 16: train 7, val 4" in out
    assert f"prepared: {cache}" in out
    assert sorted(path.name for path in cache.rglob("*.npy")) == ["train.npy", "val.npy"]


def test_prepare_writes_into_the_folder_it_is_given(
    make: Factory, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    assert main(["prepare", str(make.mame()), "--image-size", "16", "--out", str(out)]) == 0
    assert len(list(out.rglob("*.npy"))) == 2
    assert not cache.exists()
    assert f"MAME_CACHE={out}" in capsys.readouterr().out


def test_the_digits_need_no_preparation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "digits"]) == 0
    assert "nothing to prepare" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "/nowhere/at/all"],
        ["prepare", "/nowhere/at/all"],
        ["prepare", "digits", "--image-size", "4"],
        ["summary", "digits", "--image-size", "5000"],
        ["summary", ""],
        ["prepare", ""],
        ["fetch", ""],
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    make: Factory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(make.class_folders())
    monkeypatch.setattr("mame_cnn.data.__main__.fetch", lambda *_: None)
    assert exit_status(lambda: main(arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["summary", "prepare", "fetch"])
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "examples:" in capsys.readouterr().out
