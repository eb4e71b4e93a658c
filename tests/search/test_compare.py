import csv
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from commands.errors import exit_status
from search.compare import main
from search.files.predictions import FILE
from search.space import Choice, Question, Space
from search.trainer import Member
from tests.search.fake_trainer import FakeTrainer
from tests.search.predicting import left_by
from tests.search.small_studies import searched

WRONG: Mapping[str, Collection[int]] = {"a": range(10), "b": range(4, 17), "c": range(60)}
SPACE = Space(
    title="Three trials",
    question=Question("Nothing.", "They differ.", "A table."),
    parameters=(Choice("name", options=tuple(WRONG)),),
    epochs=1,
)


def _study(
    folder: Path,
    name: str = "small",
    *,
    wrong: Mapping[str, Collection[int]] = WRONG,
    without: str = "",
    damaged: str = "",
    digest: str = "d" * 12,
) -> None:
    """Run the three trials; some leave no predictions, some a part of them."""

    def files(member: Member) -> Mapping[str, bytes]:
        which = str(member.params["name"])
        if which in without:
            return {}
        left = left_by(wrong[which])
        return {FILE: left[FILE][:300]} if which in damaged else left

    trainer = FakeTrainer(epochs=1, files=files)
    trainer.data = {"name": "digits", "source": "digits", "digest": digest}
    trainer.curve = lambda params, epoch: 1 - len(wrong[str(params["name"])]) / 100
    searched(
        folder,
        3,
        space=SPACE,
        trainer=trainer,
        name=name,
        sampler="grid",
        artifacts=folder / "kept",
    )


def _compare(folder: Path, *arguments: str) -> int:
    storage = ("--storage", str(folder / "journal.log"), "--artifacts", str(folder / "kept"))
    return exit_status(lambda: main([*arguments, *storage]))


def test_the_trials_of_a_study_are_ranked_and_the_best_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _study(tmp_path)
    assert _compare(tmp_path, "small") == 0
    shown = capsys.readouterr().out
    assert "90.0 % of 100 images (95 % interval 82.6 to 94.5)" in shown
    assert "Corrected for having been chosen among 3 it is" in shown
    assert "1 of 2 others cannot be told from it" in shown
    assert "960 validation images, or 11 seeds of each" in shown


def test_a_markdown_file_has_every_trial_and_how_to_read_it(tmp_path: Path) -> None:
    _study(tmp_path)
    out = tmp_path / "deep" / "found.md"
    assert _compare(tmp_path, "small", "--out", str(out)) == 0
    text = out.read_text()
    rows = [line for line in text.splitlines() if line.startswith(("| 1 ", "| 2 ", "| 3 "))]
    assert [row.split(" | ")[3] for row in rows] == ["90.0", "87.0", "40.0"]
    assert [row.split(" | ")[-1] for row in rows] == ["yes |", "yes |", "no |"]
    assert "## How to read this" in text
    assert [file.name for file in out.parent.iterdir()] == ["found.md"]


def test_a_csv_file_has_shares(tmp_path: Path) -> None:
    _study(tmp_path)
    out = tmp_path / "found.csv"
    assert _compare(tmp_path, "small", "--out", str(out)) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [float(row["accuracy"]) for row in rows] == [0.9, 0.87, 0.4]
    assert [row["is_in_best_set"] for row in rows] == ["True", "True", "False"]
    assert {row["study"] for row in rows} == {"small"}


def test_a_later_study_is_held_against_the_earlier_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _study(tmp_path, "capacity", wrong={name: range(40) for name in WRONG})
    _study(tmp_path, "regularization")
    assert _compare(tmp_path, "capacity", "regularization") == 0
    shown = capsys.readouterr().out
    assert "The best of 6 trials is regularization trial" in shown
    assert "regularization did better than capacity" in shown
    assert "+30.0 points" in shown


def test_studies_of_other_data_are_refused_with_both_digests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _study(tmp_path, "one")
    _study(tmp_path, "other", digest="e" * 12)
    assert _compare(tmp_path, "one", "other") == 2
    message = capsys.readouterr().err
    assert "one has digits (dddddddddddd), other has digits (eeeeeeeeeeee)" in message


def test_trials_without_predictions_and_damaged_ones_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _study(tmp_path, without="b", damaged="c")
    assert _compare(tmp_path, "small") == 0
    shown = capsys.readouterr().out
    assert f"left out, no {FILE} is kept: trial" in shown
    assert f"left out, {FILE} is damaged (it is cut off or damaged): trial" in shown
    assert "There is no other trial with predictions to compare it with." in shown


def test_a_study_without_predictions_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _study(tmp_path, without="abc")
    out = tmp_path / "found.md"
    assert _compare(tmp_path, "small", "--out", str(out)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: nothing can be compared")
    assert f"no {FILE} is kept: trial 0, 1, 2" in captured.err
    assert str(tmp_path / "kept") in captured.err
    assert captured.out == ""
    assert not out.exists()


def test_a_study_without_a_complete_trial_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(before_epoch=lambda member, epoch: "diverged"))
    assert _compare(tmp_path, "small") == 2
    assert "study small: no trial is complete yet" in capsys.readouterr().err


def test_a_study_without_a_complete_trial_does_not_keep_another_from_being_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _study(tmp_path)
    diverging = FakeTrainer(epochs=1, before_epoch=lambda member, epoch: "diverged")
    searched(tmp_path, 1, trainer=diverging, name="diverging")
    assert _compare(tmp_path, "small", "diverging") == 0
    assert "study diverging: no trial is complete yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["smal"], "did you mean small?"),
        (["small", "small"], "study small: given more than once"),
        (["small", "--out", "found.txt"], "--out found.txt: the name must end in .md or .csv"),
        (["small", "--out", "FILE/found.md"], "FILE"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    _study(tmp_path)
    assert _compare(tmp_path, *arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert expected in message


def test_names_are_shown_as_they_are_and_make_no_table_or_markup(tmp_path: Path) -> None:
    name = 'a|b <img src=x> & "q"'
    _study(tmp_path, name)
    out = tmp_path / "found.md"
    assert _compare(tmp_path, name, "--out", str(out)) == 0
    text = out.read_text()
    assert "<img" not in text
    assert "| a\\|b &lt;img src=x&gt; &amp;" in text


def test_comparing_changes_nothing_in_the_study(tmp_path: Path) -> None:
    _study(tmp_path)
    before = (tmp_path / "journal.log").read_bytes()
    _compare(tmp_path, "small")
    assert (tmp_path / "journal.log").read_bytes() == before
