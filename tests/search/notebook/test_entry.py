from dataclasses import replace
from pathlib import Path

import optuna
from optuna_dashboard import get_note, save_note

from search.files.artifacts import Artifacts
from search.files.predictions import FILE
from search.notebook.asked import read_asked
from search.notebook.concluding import conclude
from search.notebook.own_words import HEADING
from search.space import Question
from search.space.values import Value
from search.trainer import Member
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.predicting import left_by
from tests.search.small_studies import opened_in, searched, trials_in

HEADINGS = [
    "Previous observed state",
    "Current hypothesis",
    "Experimental set-up",
    "Experimental outcomes",
    "Observations",
]


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def note_in(folder: Path, name: str = "small") -> str:
    return str(get_note(opened_in(folder, name=name).study))


def file_in(folder: Path, name: str = "small") -> Path:
    return folder / name / "notebook.md"


def predicting() -> FakeTrainer:
    return FakeTrainer(files=lambda member: left_by(range(20 + member.key)))


def test_a_new_study_has_an_entry_that_says_what_it_asks(tmp_path: Path) -> None:
    text = note_in(tmp_path)
    assert text.startswith("# A small space\n")
    assert headings(text) == HEADINGS
    for part in ("Nothing was tried.", "Some height is best.", "Arithmetic.", "No trial has"):
        assert part in text
    for part in (
        "| lr | 0.0001..0.1 log | always |",
        "| l2_3 |",
        "| depth >= 3 |",
        "batch_size 32",
    ):
        assert part in text
    for part in ("at most 8 epochs", "digits (dddddddddddd)", "seed 0", SPACE.digest):
        assert part in text


def test_note_and_file_are_the_same(tmp_path: Path) -> None:
    assert note_in(tmp_path) == file_in(tmp_path).read_text()
    searched(tmp_path, 2)
    assert note_in(tmp_path) == file_in(tmp_path).read_text()


def test_outcomes_and_observations_are_written_when_the_search_ends(tmp_path: Path) -> None:
    outcome = searched(tmp_path, 12, pruner="rungs")
    text, standing, best = note_in(tmp_path), outcome.standing, outcome.best
    assert best is not None
    assert headings(text) == HEADINGS
    assert f"12 trials: {standing.n_complete} complete, {standing.n_pruned} pruned" in text
    assert f"Best: trial {best.number} with val_accuracy {best.value:.4f} at epoch 8" in text


def test_the_comparison_stands_in_the_outcomes(tmp_path: Path) -> None:
    searched(tmp_path, 3, trainer=predicting(), artifacts=tmp_path / "artifacts")
    text = note_in(tmp_path)
    assert "trial 0: 80.0 % of 100 images" in text
    assert "Corrected for having been chosen among 3" in text
    assert "0.7112 to 0.8666" in text  # Wilson's interval of 80 in 100


def test_a_continued_study_replaces_its_outcomes(tmp_path: Path) -> None:
    for total in (2, 4):
        searched(tmp_path, total)
    text = note_in(tmp_path)
    assert "4 trials: 4 complete" in text
    assert "2 trials" not in text


def test_what_a_person_has_written_stays_wherever_it_was_written(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    study = opened_in(tmp_path).study
    save_note(study, get_note(study) + "\nDeeper overfits.\n")
    searched(tmp_path, 4)
    path = file_in(tmp_path)
    assert "Deeper overfits." in path.read_text()
    path.write_text(path.read_text() + "\n| own | table |\n")
    searched(tmp_path, 5)
    for text in (note_in(tmp_path), path.read_text()):
        assert "5 trials: 5 complete" in text
        own = text.partition(HEADING)[2]
        assert own.endswith("Deeper overfits.\n\n| own | table |\n")


def test_a_note_that_a_person_has_rewritten_becomes_own_words(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    save_note(opened_in(tmp_path).study, "Mine.")
    searched(tmp_path, 4)
    text = note_in(tmp_path)
    assert "4 trials: 4 complete" in text
    assert text.partition(HEADING)[2].endswith("\n\nMine.\n")


def test_the_file_of_an_older_study_of_this_name_is_set_aside(tmp_path: Path) -> None:
    path = file_in(tmp_path)
    path.parent.mkdir()
    path.write_text("An older entry.")
    opened_in(tmp_path)
    assert path.with_name("notebook-1.md").read_text() == "An older entry."
    assert "older" not in path.read_text()


def test_the_entry_tells_what_came_of_the_studies_it_builds_on(tmp_path: Path) -> None:
    searched(tmp_path, 2, name="first", trainer=predicting(), artifacts=tmp_path / "artifacts")
    question = replace(SPACE.question, builds_on=("first", "elsewhere"))
    space = replace(SPACE, question=question)
    text = get_note(opened_in(tmp_path, space, name="second").study)
    assert "- Experiment 1, first: 2 trials, best" in text
    assert "- Study elsewhere: not in this storage." in text
    searched(
        tmp_path,
        3,
        space=space,
        name="second",
        trainer=predicting(),
        artifacts=tmp_path / "artifacts",
    )
    text = get_note(opened_in(tmp_path, space, name="second").study)
    assert "second cannot be told from first" in text


def test_the_best_is_compared_with_the_baseline(tmp_path: Path) -> None:
    baseline: dict[str, Value] = {"depth": 1, "lr": 1e-4, "drop_rate": 0.5, "pool": "max"}
    searched(tmp_path, 6, space=replace(SPACE, baselines=(baseline,)))
    values = [trial.value or 0.0 for trial in trials_in(tmp_path)]
    assert values[0] < max(values)
    text = note_in(tmp_path)
    assert f"Baseline 1 (trial 0) reached {values[0]:.4f}" in text
    assert f"{max(values) - values[0]:+.4f}" in text
    assert "tried first: depth 1, lr 0.0001, drop_rate 0.5, pool max" in text


def test_a_study_without_a_complete_trial_says_so(tmp_path: Path) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(before_epoch=lambda member, epoch: "diverged"))
    text = note_in(tmp_path)
    assert "1 trial: 0 complete, 1 pruned, 0 failed. None has a value." in text
    assert "nothing can be said of the space" in text


def test_trials_without_predictions_are_told(tmp_path: Path) -> None:
    searched(tmp_path, 2, artifacts=tmp_path / "artifacts")
    assert f"no {FILE} is kept" in note_in(tmp_path).replace("\\", "")


def test_damaged_predictions_spoil_nothing(tmp_path: Path) -> None:
    def files(member: Member) -> dict[str, bytes]:
        return {FILE: b"no archive"} if member.key == 0 else left_by(range(30))

    searched(tmp_path, 2, trainer=FakeTrainer(files=files), artifacts=tmp_path / "artifacts")
    text = note_in(tmp_path)
    assert "2 trials: 2 complete" in text
    assert "There is no other trial with predictions" in text
    assert f"{FILE} is damaged" in text.replace("\\", "")


def test_a_study_begun_elsewhere_has_an_entry(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    study = optuna.create_study(
        storage=opened.place.storage, study_name="<b>&|", direction="maximize"
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    conclude(opened.place, study, Artifacts(tmp_path / "artifacts"))
    text = get_note(study)
    assert headings(text) == HEADINGS
    assert text.startswith("# \\<b>\\&\\|\n")
    assert read_asked(study).title == "<b>&|"


def test_a_digest_does_not_depend_on_what_a_study_builds_on() -> None:
    question = Question("a", "b", "c", builds_on=("capacity",))
    assert replace(SPACE, question=question).digest == SPACE.digest


def test_questions_that_are_joined_build_on_the_studies_of_both() -> None:
    joined = Question("a", "b", "c", ("x", "y")) | Question("a", "b", "c", ("y", "z"))
    assert joined.builds_on == ("x", "y", "z")
    # A name alone, which is easily written for a tuple of one.
    assert Question("a", "b", "c", "capacity").builds_on == ("capacity",)  # type: ignore[arg-type]  # as users write it
