import shlex
from pathlib import Path

import pytest

from search.displays.summary import summarise
from search.files.artifacts import DEFAULT_ARTIFACTS
from search.storages.storage import open_storage
from tests.search.small_studies import searched


def commands_after(
    folder: Path, artifacts: Path, printed: pytest.CaptureFixture[str]
) -> list[str]:
    outcome = searched(folder, 2)
    summarise(outcome, "small", open_storage(str(folder / "journal.log")), artifacts)
    return [line.strip() for line in printed.readouterr().out.partition("next:")[2].splitlines()]


def test_commands_that_follow_a_search_look_where_it_left_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, dashboard, report, export, train = commands_after(tmp_path, Path("my files"), capsys)
    storage = f"--storage {shlex.quote(str(tmp_path / 'journal.log'))}"
    files = "--artifacts 'my files'"
    assert dashboard == f"python -m search.dashboard {storage} {files}"
    assert report == f"python -m search.report small {storage} {files}"
    assert export == f"python -m search.export small {storage}"
    assert train.startswith("python -m mame_cnn.train ")


def test_files_in_the_usual_place_need_no_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = commands_after(tmp_path, DEFAULT_ARTIFACTS, capsys)
    assert "--artifacts" not in " ".join(commands)
