from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from commands.errors import UserError
from search.comparing.diverse import Wrong, choose, diverse_trials, lowest_candidate, overlap
from search.files.artifacts import Artifacts
from search.files.predictions import FILE
from search.space import Choice, Question, Space
from search.trainer import Member
from search.trials.reading import ranked
from tests.search.fake_trainer import FakeTrainer
from tests.search.predicting import left_by, npz
from tests.search.small_studies import searched, trials_in

WRONG = {
    "a": range(20),
    "b": range(1, 21),
    "c": range(11, 31),
    "d": range(60, 84),
    "e": range(50, 79),
    "f": range(70),
}
"""Images that each of six trials misclassifies, of 100; best first.

Two standard errors of 0.8 are 8 points, so that e, 9 points behind, is no candidate.
"""
SPACE = Space(
    title="Six trials",
    question=Question("Nothing.", "They err elsewhere.", "A table."),
    parameters=(Choice("name", options=tuple(WRONG)),),
    epochs=1,
)


def _sets(**wrong: range) -> dict[int, Wrong]:
    images = np.arange(100)
    return {rank: np.isin(images, list(some)) for rank, some in enumerate(wrong.values())}


def _study(folder: Path, without: str = "", damaged: Mapping[str, bytes] | None = None) -> None:
    """Run the six trials; some leave no predictions, some these damaged ones."""

    def files(member: Member) -> Mapping[str, bytes]:
        name = str(member.params["name"])
        if name in without:
            return {}
        if damaged and name in damaged:
            return {FILE: damaged[name]}
        return left_by(WRONG[name])

    trainer = FakeTrainer(epochs=1, files=files)
    trainer.curve = lambda params, epoch: 1 - len(WRONG[str(params["name"])]) / 100
    searched(folder, 6, space=SPACE, trainer=trainer, sampler="grid", artifacts=folder / "a")


def _chosen(folder: Path, n_top: int) -> tuple[str, list[str]]:
    said: list[str] = []
    trials = diverse_trials(ranked(trials_in(folder)), n_top, Artifacts(folder / "a"), said.append)
    return "".join(trial.params["name"] for trial in trials[:n_top]), said


def test_overlap_is_the_jaccard_index() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = random.random((2, 30)) < 0.3
        assert overlap(first, second) == pytest.approx(jaccard_score(first, second))


def test_two_trials_without_errors_overlap_wholly() -> None:
    none = np.zeros(5, dtype=bool)
    assert overlap(none, none) == 1


def test_each_next_one_errs_least_where_those_before_do() -> None:
    # c shares 9 of 31 with a; d nothing with anyone; b 19 of 21 with a.
    wrong = _sets(a=range(20), b=range(1, 21), c=range(11, 31), d=range(60, 84))
    assert choose(wrong, 4, 4, 4) == [0, 3, 2, 1]


def test_the_mean_over_all_chosen_counts_not_the_last_alone() -> None:
    wrong = _sets(a=range(10), b=range(30, 40), c=range(9), d=range(25, 35))
    assert choose(wrong, 4, 4, 3) == [0, 1, 3]


def test_of_equal_overlaps_the_better_trial_is_taken() -> None:
    wrong = _sets(a=range(10), b=range(20, 30), c=range(40, 50), d=range(60, 70))
    assert choose(wrong, 4, 4, 4) == [0, 1, 2, 3]


def test_when_candidates_run_out_the_next_best_follow() -> None:
    wrong = _sets(a=range(10), b=range(10), c=range(20, 30))
    assert choose(wrong, 2, 5, 4) == [0, 1, 2, 3]
    assert choose(wrong, 2, 3, 9) == [0, 1, 2]


def test_a_trial_of_unknown_errors_comes_in_by_rank_also_the_best() -> None:
    wrong = _sets(a=range(10), b=range(10), c=range(20, 30), d=range(30, 40))
    assert choose({1: wrong[1], 2: wrong[2], 3: wrong[3]}, 4, 4, 3) == [0, 1, 2]
    assert choose({0: wrong[0], 2: wrong[2], 3: wrong[3]}, 4, 4, 4) == [0, 2, 3, 1]


def test_candidates_are_within_two_standard_errors_of_the_best(tmp_path: Path) -> None:
    _study(tmp_path)
    names, [said] = _chosen(tmp_path, 4)
    assert names == "adcb"
    assert said.startswith("chosen among 4 trials within 2 standard errors of the best")
    assert _chosen(tmp_path, 6)[0] == "adcbef"
    assert _chosen(tmp_path, 1)[0] == "a"


def test_a_best_without_errors_has_others_within_reach() -> None:
    assert lowest_candidate(1.0, 1450) == pytest.approx(
        1 - 2 * np.sqrt(0.5 / 1450 / 1450), abs=1e-6
    )
    assert lowest_candidate(1.0, 1450) < lowest_candidate(1.0, 14500) < 1


def test_the_mean_overlap_is_told_beside_that_of_the_best_by_rank(tmp_path: Path) -> None:
    _study(tmp_path)
    _, [said] = _chosen(tmp_path, 2)
    assert said.endswith(
        f"errors overlap by 0.00 on average, those of the first by rank by {19 / 21:.2f}"
    )


def test_missing_and_damaged_predictions_are_told_and_their_trials_ranked(tmp_path: Path) -> None:
    other = npz(probs=np.full((7, 2), 0.5), labels=np.zeros(7, int), epoch=1)
    _study(tmp_path, without="d", damaged={"b": left_by({1})[FILE][:300], "c": other})
    names, said = _chosen(tmp_path, 3)
    assert names == "abc"
    numbers = {trial.params["name"]: trial.number for trial in trials_in(tmp_path)}
    assert said[:-1] == [
        f"taken by rank alone, {FILE} is damaged (it is cut off or damaged): trial {numbers['b']}",
        f"taken by rank alone, {FILE} is of other images or labels than that of a better trial: "
        f"trial {numbers['c']}",
        f"taken by rank alone, no {FILE} is kept: trial {numbers['d']}",
    ]


def test_trials_that_are_no_candidates_are_not_missed(tmp_path: Path) -> None:
    _study(tmp_path, without="ef")
    assert len(_chosen(tmp_path, 4)[1]) == 1


def test_a_study_without_any_predictions_cannot_be_diverse(tmp_path: Path) -> None:
    _study(tmp_path, without="abcdef")
    with pytest.raises(UserError, match=rf"--artifacts .*a: .*no {FILE} is kept; give search"):
        _chosen(tmp_path, 2)
