"""What is shown and refused of reference configurations: the list, the page, bad files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from commands.errors import UserError
from mame_cnn.reference import Reference, read_reference, read_references
from mame_cnn.train import main
from tests.mame_cnn.reference_table import FOLDER

ROOT = Path(__file__).parents[2]


def docs_table() -> dict[str, list[str]]:
    """Return the cells of the table in the documentation by name."""
    lines = (ROOT / "docs" / "reference.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in rows if re.fullmatch(r"`[\w-]+`", row[0])}


def test_the_documentation_shows_what_is_built_beside_what_was_published(
    references: dict[str, Reference],
) -> None:
    table = docs_table()
    assert [*table] == [*references]
    for name, reference in references.items():
        published = reference.origin.published
        count = reference.origin.published_parameters
        accuracies = (published.train, published.val, published.test)
        assert table[name][:5] == [
            f"{reference.parameters:,}",
            "" if count is None else f"{count:,}",
            *("" if value is None else f"{value:.1%}" for value in accuracies),
        ]


def test_the_list_prints_every_name_with_its_figures(
    references: dict[str, Reference], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    for name in references:
        assert f" {name} " in shown
    [line] = [line for line in shown.splitlines() if " mame-07 " in line]
    assert "2,197,021" in line
    assert "85.0%" in line
    assert "64.0%" in line


def test_the_list_as_json_has_name_parameters_and_source(
    references: dict[str, Reference], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [*references]
    by_name = {row["name"]: row for row in rows}
    assert by_name["mame-07"]["parameters"] == 2_197_021
    assert by_name["mame-07"]["source"] == "MAMe from scratch, experiment 7"
    assert by_name["mame-07"]["published"] == {"train": 0.85, "val": 0.64}
    assert by_name["mame-13"]["members"] == ["mame-10", "mame-12"]
    assert by_name["painters-mobilenetv2"]["published_parameters"] == 642_709


@pytest.mark.parametrize("argv", [[], ["--list", "a.toml"], ["a.toml", "--json"], ["--json"]])
def test_a_list_or_a_configuration_is_asked_for_not_both(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "--list" in capsys.readouterr().err


def write(folder: Path, text: str) -> Path:
    path = folder / "e.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('members = ["a"]', "at least 2 items"),
        ('members = ["a", "../b"]', "pattern"),
        ('members = ["a", "/b"]', "pattern"),
        ('members = "ab"', "valid tuple"),
        (f'members = ["a", "{"b" * 999}"]', "at most 100 characters"),
        ('members = ["a", "a"]', "two members are called a"),
        ('members = ["a", "none"]', r"no such file: .*none\.toml"),
        ('members = ["a", "e"]', "e is an ensemble itself"),
        ('members = ["a", "b"]\nseed = 3', "seed: no such field"),
        ('members = ["a", "b"]\nprovenance = 3', "provenance: expected a table"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    for name in "ab":
        (tmp_path / f"{name}.toml").write_text("seed = 0")
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=expected) as raised:
        read_reference(path)
    assert str(path) in str(raised.value)


def test_what_is_wrong_with_any_reference_is_said_at_once(tmp_path: Path) -> None:
    good = (FOLDER / "mame-02.toml").read_text()
    (tmp_path / "one.toml").write_text(good.replace("classes = 29", "classes = 1"))
    (tmp_path / "two.toml").write_text(good.replace("val = 0.45", "val = 45"))
    (tmp_path / "three.toml").write_text("seed = 0")
    with pytest.raises(UserError) as raised:
        read_references(tmp_path)
    message = str(raised.value)
    assert "one.toml" in message
    assert "provenance.classes" in message
    assert "provenance.published.val" in message
    assert "three.toml: not a complete configuration" in message


def test_a_folder_without_references_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected reference configurations"):
        read_references(tmp_path)
