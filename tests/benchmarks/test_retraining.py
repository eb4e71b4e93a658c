"""Winners are trained again by the same means, whatever found them."""

from pathlib import Path

import pytest

from benchmarks.arms import Task
from benchmarks.retraining import Retraining
from benchmarks.search_runs import Run
from search.space import Choice, Question, Space, Value
from tests.benchmarks.pictures import make_pictures

SPACE = Space(
    title="Small",
    question=Question("none", "none", "none"),
    parameters=(Choice("lr", (1e-3, 1e30)),),
    fixed={"depth": 1, "width": 2, "dense_depth": 0, "batch_size": 4, "optimizer": "sgd"},
)


def make_run(winner: dict[str, Value]) -> Run:
    return Run("script", 0, ((1.0, 0.5),), 1, 1, 0, 0, winner)


@pytest.fixture
def retraining(tmp_path: Path) -> Retraining:
    task = Task(
        space=tmp_path / "small.py",
        data=make_pictures(tmp_path / "pictures"),
        image_size=8,
        epochs=1,
        seconds=60.0,
        device="cpu",
        n_loader_workers=0,
    )
    return Retraining.of(SPACE, task, 2, tmp_path / "cache")


def test_a_winner_has_a_score_a_seed_and_the_same_again(retraining: Retraining) -> None:
    scores = retraining(make_run({"lr": 1e-3})).retrained
    assert len(scores) == 2
    assert all(score in [k / 8 for k in range(9)] for score in scores)  # of 8 images
    assert retraining(make_run({"lr": 1e-3})).retrained == scores


def test_a_winner_that_diverges_when_trained_again_scores_nothing(retraining: Retraining) -> None:
    assert retraining(make_run({"lr": 1e30})).retrained == (0.0, 0.0)


def test_a_run_without_a_winner_is_left_as_it_is(retraining: Retraining) -> None:
    assert retraining(make_run({})) == make_run({})
