from dataclasses import replace
from pathlib import Path

from optuna_dashboard import get_note, save_note

from search.parameters import Value
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.studies import opened_in, searched, trials_in

HEADINGS = [
    "Previous observed state",
    "Current hypothesis",
    "Experimental set-up",
    "Experimental outcomes",
    "Observations",
]


def _headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_a_new_study_has_a_note_that_says_what_it_asks(tmp_path: Path) -> None:
    text = get_note(opened_in(tmp_path).study)
    assert text.startswith("# A small space\n")
    assert _headings(text) == HEADINGS[:3]
    for part in ("Nothing was tried.", "Some height is best.", "Arithmetic."):
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


def test_outcomes_and_observations_are_written_when_the_search_ends(tmp_path: Path) -> None:
    outcome = searched(tmp_path, 12, pruner="rungs")
    text = get_note(opened_in(tmp_path).study)
    standing, best = outcome.standing, outcome.best
    assert best is not None
    assert _headings(text) == HEADINGS
    assert f"12 trials: {standing.n_complete} complete, {standing.n_pruned} pruned" in text
    assert f"Best: trial {best.number} with val_accuracy {best.value:.4f} at epoch 8" in text


def test_a_continued_study_replaces_its_outcomes(tmp_path: Path) -> None:
    for total in (2, 4):
        searched(tmp_path, total)
    text = get_note(opened_in(tmp_path).study)
    assert _headings(text) == HEADINGS
    assert "4 trials: 4 complete" in text
    assert "2 trials" not in text


def test_what_a_person_has_observed_stays(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    study = opened_in(tmp_path).study
    head = get_note(study).partition("## Observations")[0]
    save_note(study, f"{head}## Observations\n\nDeeper overfits.")
    searched(tmp_path, 4)
    text = get_note(study)
    assert "4 trials: 4 complete" in text
    assert text.endswith("## Observations\n\nDeeper overfits.")


def test_a_note_that_a_person_has_rewritten_is_left_alone(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    study = opened_in(tmp_path).study
    save_note(study, "Mine.")
    searched(tmp_path, 4)
    assert get_note(study) == "Mine."


def test_the_best_is_compared_with_the_baseline(tmp_path: Path) -> None:
    baseline: dict[str, Value] = {"depth": 1, "lr": 1e-4, "drop_rate": 0.5, "pool": "max"}
    searched(tmp_path, 6, space=replace(SPACE, baselines=(baseline,)))
    study = opened_in(tmp_path, replace(SPACE, baselines=(baseline,))).study
    values = [trial.value or 0.0 for trial in trials_in(tmp_path)]
    assert values[0] < max(values)
    difference = f"{max(values) - values[0]:+.4f}"
    assert f"Baseline 1 (trial 0) reached {values[0]:.4f}" in get_note(study)
    assert difference in get_note(study)


def test_a_best_value_at_the_end_of_a_range_is_observed(tmp_path: Path) -> None:
    edge: dict[str, Value] = {
        "depth": 2,
        "lr": 1e-2,
        "drop_rate": 0.0,
        "pool": "max",
        "l2_2": 9e-3,
    }
    space = replace(SPACE, baselines=(edge,))
    searched(tmp_path, 1, space=space)
    observations = get_note(opened_in(tmp_path, space).study).partition("## Observations")[2]
    assert "l2_2 0.009 of 1e-05..0.01 log" in observations
    assert "drop_rate" not in observations  # nothing lies beyond a rate of 0
    assert "lr " not in observations


def test_a_study_without_a_complete_trial_says_so(tmp_path: Path) -> None:
    searched(tmp_path, 1, trainer=FakeTrainer(before_epoch=lambda member, epoch: "diverged"))
    text = get_note(opened_in(tmp_path).study)
    assert "1 trials: 0 complete, 1 pruned, 0 failed. None has a value." in text
