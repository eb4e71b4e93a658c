import re
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from commands.errors import UserError
from search.notebook.__main__ import main
from search.notebook.index import first_sentence
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.small_studies import opened_in, searched


def run(folder: Path, *more: str) -> int:
    storage, artifacts = str(folder / "journal.log"), str(folder / "artifacts")
    return main(["--storage", storage, "--artifacts", artifacts, *more])


def test_the_index_has_a_line_for_each_study(tmp_path: Path) -> None:
    question = replace(SPACE.question, builds_on=("first", "elsewhere"))
    searched(tmp_path, 2, name="first")
    searched(tmp_path, 1, name="second", space=replace(SPACE, question=question))
    opened_in(tmp_path, name="third")
    assert run(tmp_path) == 0
    page = (tmp_path / "notebook.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 3
    assert rows[0].startswith("| 1 | A small space, [first](first/notebook.md) |")
    assert "Some height is best." in rows[0]
    assert "2 trials, best" in rows[0]
    assert rows[1].endswith("| 1, elsewhere |")
    assert "no trial has ended yet" in rows[2]
    assert "not in this storage:\n\n- elsewhere" in page


def test_numbers_outlive_a_study_that_is_deleted(tmp_path: Path) -> None:
    for name in ("first", "second"):
        opened = opened_in(tmp_path, name=name)
    optuna.delete_study(study_name="first", storage=opened.place.storage)
    opened_in(tmp_path, name="third")
    run(tmp_path)
    page = (tmp_path / "notebook.md").read_text()
    assert "| 2 | A small space, [second]" in page
    assert "| 3 | A small space, [third]" in page


def test_an_entry_tells_the_newest_outcome_of_what_it_builds_on(tmp_path: Path) -> None:
    space = replace(SPACE, question=replace(SPACE.question, builds_on=("first",)))
    searched(tmp_path, 1, name="first")
    searched(tmp_path, 1, name="second", space=space)
    searched(tmp_path, 3, name="first")
    assert "first: 1 trial," in get_note(opened_in(tmp_path, space, name="second").study)
    run(tmp_path)
    assert "first: 3 trials," in get_note(opened_in(tmp_path, space, name="second").study)


def test_what_was_begun_later_or_on_other_data_did_not_lead_here(tmp_path: Path) -> None:
    space = replace(SPACE, question=replace(SPACE.question, builds_on=("later", "first")))
    searched(tmp_path, 1, name="first")
    other = FakeTrainer(data={"name": "elsewhere", "source": "x", "digest": "0123456789ab"})
    searched(tmp_path, 1, name="second", space=space, trainer=other)
    searched(tmp_path, 3, name="later")
    run(tmp_path)
    entry = (tmp_path / "second" / "notebook.md").read_text()
    assert "Study later: not done before this one (experiment 3)" in entry
    assert re.search(r"first: 1 trial, .*; on other data \(", entry)
    assert "| later, 1 |" in (tmp_path / "notebook.md").read_text()


def test_writing_it_twice_changes_nothing(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    run(tmp_path)
    before = (
        (tmp_path / "small" / "notebook.md").read_text(),
        (tmp_path / "notebook.md").read_text(),
    )
    run(tmp_path)
    assert before == (
        (tmp_path / "small" / "notebook.md").read_text(),
        (tmp_path / "notebook.md").read_text(),
    )


def test_links_and_names_are_escaped(tmp_path: Path) -> None:
    opened_in(tmp_path, name="a|b <i> [x](y)")
    run(tmp_path)
    page = (tmp_path / "notebook.md").read_text()
    assert "[a\\|b \\<i> \\[x\\](y)](a%7Cb%20%3Ci%3E%20%5Bx%5D%28y%29/notebook.md)" in page


def test_a_storage_without_studies_is_refused(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    optuna.delete_study(study_name="small", storage=opened.place.storage)
    with pytest.raises(UserError, match="holds no study yet"):
        run(tmp_path)


def test_out_must_be_a_file(tmp_path: Path) -> None:
    opened_in(tmp_path)
    with pytest.raises(UserError, match="is a folder"):
        run(tmp_path, "--out", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("A rate of 0.3 is best; e.g. here. More.", "A rate of 0.3 is best; e.g. here."),
        ("No full stop", "No full stop"),
        ("", ""),
    ],
)
def test_a_hypothesis_is_told_by_its_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence
