"""The search benchmark as a command: what was made is kept, and only the rest is made."""

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from benchmarks import search, search_runs
from benchmarks.search_runs import Run, Shelf
from benchmarks.watch import Sighting
from commands.errors import UserError
from tests.benchmarks.pictures import make_pictures

SPACE = """\
from search.space import Float, Question, Space

SPACE = Space(
    title="Small",
    question=Question("none", "none", "none"),
    parameters=(Float("lr", 1e-4, 1e-2, log=True),),
    fixed={"depth": 1, "width": 2, "dense_depth": 0, "batch_size": 4},
)
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    space = tmp_path / "small.py"
    space.write_text(SPACE)
    pictures = make_pictures(tmp_path / "pictures")
    options = ["--minutes", "1", "--seeds", "2", "--epochs", "1", "--space", str(space)]
    options += ["--image-size", "8", "--train-images", "12", "--val-images", "8"]
    options += ["--retrain", "2", "--device", "cpu", "--work", str(tmp_path / "work")]
    return ["--data", str(pictures), *options, "--json", str(tmp_path / "report.json")]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Put hand-made runs in the place of searches, and remember which were asked for."""
    asked: list[tuple[str, int]] = []

    def run(arm: str, seed: int, *_: Any) -> Run:
        asked.append((arm, seed))
        return Run(arm, seed, ((1.0, 0.5),), 3, 1, 0, 0, {"lr": 1e-3})

    monkeypatch.setattr(search, "run", run)
    return asked


def test_arms_take_turns_and_their_winners_are_trained_again(
    arguments: list[str], made: list[tuple[str, int]], tmp_path: Path
) -> None:
    assert search.main(arguments) == 0
    assert made == [(arm, seed) for seed in (0, 1) for arm in ("script", "random", "defaults")]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["space_digest"]
    assert [(run["arm"], run["seed"]) for run in report["runs"]] == made
    # Equal winners with equal fresh seeds: the same two scores, of 8 validation images.
    [scores] = {tuple(run["retrained"]) for run in report["runs"]}
    assert len(scores) == 2
    assert all(8 * score == int(8 * score) for score in scores)
    assert (tmp_path / "report.svg").read_text().count("median of 2") == 3


def test_a_benchmark_goes_on_where_it_was_interrupted(
    arguments: list[str], made: list[tuple[str, int]]
) -> None:
    arguments = [*arguments[:-2], "--retrain", "0"]
    search.main([*arguments, "--arms", "random", "--seeds", "1"])
    search.main([*arguments, "--arms", "random", "defaults"])
    assert made == [("random", 0), ("defaults", 0), ("random", 1), ("defaults", 1)]


def test_runs_of_another_task_are_not_mixed_in(
    arguments: list[str], made: list[tuple[str, int]]
) -> None:
    arguments = [*arguments[:-2], "--retrain", "0", "--arms", "random"]
    search.main(arguments)
    with pytest.raises(UserError, match="holds runs of another task"):
        search.main([*arguments, "--minutes", "2"])


def test_a_plot_that_cannot_be_made_is_refused_before_any_run(
    arguments: list[str], made: list[tuple[str, int]]
) -> None:
    with pytest.raises(UserError, match=r"--plot curve\.jpg: must end in \.svg"):
        search.main([*arguments, "--plot", "curve.jpg"])
    assert made == []


def test_a_run_is_told_by_its_first_best_trial() -> None:
    lr = {"lr": 0.1}
    trials = [
        create_trial(state=TrialState.COMPLETE, value=0.5, intermediate_values={1: 0.5}),
        create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.75}),
        create_trial(state=TrialState.COMPLETE, value=0.75, intermediate_values={1: 0.75}),
        create_trial(state=TrialState.PRUNED),
    ]
    trials[1].params = lr
    seen = [Sighting(1.0, 0, 0.5), Sighting(2.0, 1, 0.75), Sighting(3.0, 2, 0.75)]
    run = search_runs.told("random", 3, seen, trials)
    assert run == Run("random", 3, ((1.0, 0.5), (2.0, 0.75)), 3, 2, 1, 1, lr)


def test_a_kept_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = Run("script", 1, ((0.5, 0.25),), 4, 1, 2, 3, {"lr": 1.0, "depth": 2, "pool": "max"})
    shelf = Shelf(tmp_path, "this")
    shelf.put(run)
    kept = Shelf(tmp_path, "this").get("script", 1)
    assert kept == run
    assert kept is not None
    assert [type(value) for value in kept.winner.values()] == [float, int, str]
    assert shelf.get("script", 2) is None
