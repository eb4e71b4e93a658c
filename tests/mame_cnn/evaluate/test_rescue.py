"""What becomes of an evaluation that is stopped, by a disk, a person or an error."""

import errno
import tempfile
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn import evaluate
from mame_cnn.evaluating import folder as evaluation_folder
from mame_cnn.models.model_file import WEIGHTS
from tests.mame_cnn.evaluate.conftest import FILES, Run, metrics_of


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files go that cannot go where they belong."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_what_the_disk_has_no_room_for_after_an_opening_is_kept_elsewhere(
    run: Path, elsewhere: Path, ledger: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text = Path.write_text

    def full(path: Path, *content: str, **options: str) -> int:
        if path.is_relative_to(run):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(path, *content, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left on device; the evaluation is kept in"):
        call(run, "--test")
    assert len(ledger.read_text().splitlines()) == 1
    [rescued] = elsewhere.iterdir()
    assert {path.name for path in rescued.iterdir()} >= FILES


@pytest.mark.parametrize(
    "error", [RuntimeError("no such font"), MemoryError(), KeyboardInterrupt()]
)
def test_what_was_opened_is_told_and_kept_whatever_happens_to_its_pictures(
    run: Path,
    elsewhere: Path,
    ledger: Path,
    call: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(evaluation_folder, "confusions_png", fail)
    with pytest.raises(type(error)):
        call(run, "--test")
    assert len(ledger.read_text().splitlines()) == 1
    [rescued] = elsewhere.iterdir()
    kept = {"metrics.json", "probabilities.csv", "model_card.md", "confusion_matrices.html"}
    assert {path.name for path in rescued.iterdir()} >= kept
    printed = capsys.readouterr()
    accuracy = metrics_of(rescued)["scores"]["accuracy"]["value"]
    assert f"accuracy (micro) {accuracy:11.1%}" in printed.out
    assert f"the evaluation is kept in {rescued}" in printed.err
    assert [path.name for path in run.iterdir()] == [WEIGHTS]


def test_what_was_opened_is_kept_where_a_terminal_cannot_show_it(
    run: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnicodeEncodeError("ascii", "\u2028", 0, 1, "no such letter")

    monkeypatch.setattr(evaluate, "lines", fail)
    with pytest.raises(UnicodeEncodeError):
        call(run, "--test")
    assert {path.name for path in (run / "evaluation-test").iterdir()} >= FILES


def test_a_validation_that_is_stopped_leaves_nothing(
    run: Path, elsewhere: Path, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_folder, "confusions_png", stop)
    with pytest.raises(KeyboardInterrupt):
        call(run)
    assert not list(elsewhere.iterdir())
    assert [path.name for path in run.iterdir()] == [WEIGHTS]
