"""TOML, CSV and JSON that go too far are refused before they do harm, with one message."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import strangers
from commands.errors import UserError, exit_status
from mame_cnn.configuration import toml_file
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.data import mame_layout
from mame_cnn.data.layout import read_listing
from mame_cnn.evaluating import ledger
from mame_cnn.models.ensemble_file import ENSEMBLE, read_ensemble
from mame_cnn.scoring import probabilities_file
from search.files.artifacts import Artifacts
from search.files.history import FILE as HISTORY
from search.files.history import read_history
from tests.hostile import ESCAPE, refused
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.factory import make_config
from tests.search.small_studies import searched, trials_in


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path / "data")


TOMLS = {
    "deep lists": "a = " + "[" * 100_000,
    "deep tables": "a = " + "{a = " * 50_000,
    "a long key": "a." * 50_000 + "a = 1",
    "a long quoted key": '"a\\"b" . ' * 50_000 + "a = 1",
    "a long header": "[" + "'a'." * 50_000 + "a]",
    "an endless decimal": f"seed = {'9' * 5000}",
    "a huge hexadecimal": f"seed = 0x{'f' * 5000}",
    "a huge octal in the provenance": f"[provenance]\nvalue = 0o{'7' * 5000}",
    "no date": "seed = 2026-99-99",
    "33 levels": "a = " + "[" * 33 + "]" * 33,
    "a NUL": "seed = \x00",
    "bytes": "\udcff",
}


@pytest.mark.parametrize("kind", TOMLS)
def test_toml_that_goes_too_far_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    for name, read in (
        ("config.toml", read_config),
        (ENSEMBLE, lambda path: read_ensemble(path.parent)),
    ):
        (tmp_path / name).write_bytes(TOMLS[kind].encode(errors="surrogateescape"))
        message = refused(partial(read, tmp_path / name))
        assert message.startswith(f"{tmp_path / name}: not valid TOML: ")
        assert len(message) < 1000


def test_a_file_that_is_too_large_is_refused_by_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    write_config(path, make_config(), {})
    n_bytes = path.stat().st_size
    monkeypatch.setattr(toml_file, "MOST_BYTES", n_bytes)
    read_config(path)
    monkeypatch.setattr(toml_file, "MOST_BYTES", n_bytes - 1)
    assert "config.toml: larger than" in refused(lambda: read_config(path))


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert "larger than" in refused(lambda: read_config(Path("/dev/zero")))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", "9223372036854775807"),
        ("batch_size", "4294967296"),
        ("source", '"a\\u0000b"'),
        ("source", '"a\\u001b[2J"'),
        ("lr", "inf"),
        ("seed", '"' + "x" * 100_000 + '"'),
    ],
)
def test_values_that_no_library_could_take_are_named_and_cut(
    tmp_path: Path, field: str, value: str
) -> None:
    path = tmp_path / "config.toml"
    write_config(path, make_config(), {})
    lines = path.read_text().splitlines()
    places = [n for n, line in enumerate(lines) if line.startswith(f"{field} = ")]
    lines[places[0]] = f"{field} = {value}"
    path.write_text("\n".join(lines))
    message = refused(lambda: read_config(path))
    assert field in message
    assert len(message) < 1000
    assert "\x1b" not in message


def test_a_message_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise UserError(f"class {ESCAPE}\ud800\n  second line")

    assert exit_status(fail) == 2
    shown = capsys.readouterr().err
    assert shown == "error: class \\x1b]0;owned\\x07\\x1b[2J\\ud800\n  second line\n"


@pytest.mark.parametrize(
    "row",
    [
        f"{'9' * 5000},clay",
        f"1,{'x' * 200_000}",
        "²,clay",
        "1,cl\x00ay\x1b",
        "\udcff,clay",
    ],
)
def test_a_labels_file_that_goes_too_far_is_refused(factory: Factory, row: str) -> None:
    folder = factory.mame()
    path = folder / "MAMe_metadata" / mame_layout.LABELS
    path.write_bytes(f"0,bronze\n{row}\n".encode(errors="surrogateescape"))
    message = refused(lambda: read_listing(folder))
    assert len(message) < 10_000


def test_class_folders_with_control_characters_are_refused(factory: Factory) -> None:
    folder = factory.class_folders({"train": {"bronze": 2, f"a{ESCAPE}": 2}})
    message = refused(lambda: read_listing(folder))
    assert "1 name with control characters" not in message  # the class, and its two images
    assert "3 names with control characters" in message
    assert "\x1b" not in message


def test_tables_and_ledgers_are_refused_by_their_size(
    factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mame_layout, "MOST_BYTES", 10)
    monkeypatch.setattr(ledger, "MOST_BYTES", 10)
    folder = factory.mame()
    assert "larger than" in refused(lambda: read_listing(folder))
    (tmp_path / "ledger").write_bytes(b"{}\n" * 10)
    assert "larger than" in refused(lambda: ledger.read_openings(tmp_path / "ledger"))


def test_probabilities_of_more_images_than_there_are_are_not_read(tmp_path: Path) -> None:
    path, names, classes = tmp_path / "a.csv", ["a", "b"], ["x", "y"]
    probs, labels = np.full((2, 2), 0.5), np.array([0, 1])
    probabilities_file.write_probabilities(path, probs, labels, names, classes)
    np.testing.assert_array_equal(
        probabilities_file.read_probabilities(path, labels, names, classes), probs
    )
    path.write_text(path.read_text() + "a,x,0.5,0.5\n" * 20_000)
    assert "larger than" in refused(
        lambda: probabilities_file.read_probabilities(path, labels, names, classes)
    )


@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 5000, '{"when": ' * 10_000, "\x00"])
def test_a_ledger_that_goes_too_far_is_damaged(tmp_path: Path, line: str) -> None:
    (tmp_path / "ledger").write_text(f"{line}\n")
    message = refused(lambda: ledger.read_openings(tmp_path / "ledger"))
    assert "the ledger is damaged" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    "content", [f"epoch,value\n{'9' * 400},0.5\n", "epoch,value\n0,0.5\n", "epoch,value\n-3,1\n"]
)
def test_curves_with_impossible_epochs_are_damaged(tmp_path: Path, content: str) -> None:
    searched(tmp_path, 1, artifacts=tmp_path / "a")
    [trial] = trials_in(tmp_path)
    (tmp_path / "a" / trial.user_attrs["artifacts"][HISTORY]).write_text(content)
    assert read_history(trial, Artifacts(tmp_path / "a")).epochs == tuple(range(1, 9))


def test_a_tree_is_judged_level_by_level() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested more than"):
        strangers.check_tree(deep)
    strangers.check_tree({"a": [1, 2.5, "x", {"b": None}]})
    while deep:  # Python would end itself, taking such a list apart
        deep = deep[0]


def test_whatever_is_shown_is_short() -> None:
    for value in ("x" * 10**6, list(range(10**6)), {n: n for n in range(10**5)}, 10**4000):
        assert len(strangers.shown(value)) < 500
