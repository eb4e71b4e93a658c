import json
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from benchmarks import workers
from commands.errors import UserError
from search.storages.storage import open_storage

BEGAN = datetime(2026, 1, 1)


def trial(lr: float, n_epochs: int, start_s: float = 0, end_s: float = 1) -> FrozenTrial:
    made = create_trial(
        params={"lr": lr},
        distributions={"lr": FloatDistribution(0, 1)},
        value=0.5,
        intermediate_values=dict.fromkeys(range(1, n_epochs + 1), 0.5),
    )
    made.datetime_start = BEGAN + timedelta(seconds=start_s)
    made.datetime_complete = BEGAN + timedelta(seconds=end_s)
    return made


def test_starting_ends_with_the_first_trials_beginning() -> None:
    trials = [trial(0.1, 1, start_s=5, end_s=9), trial(0.2, 1, start_s=3, end_s=7)]
    assert workers.spans(trials, BEGAN) == {"start_s": 3, "training_s": 6}


def test_work_is_equal_whatever_the_order_and_tells_epochs_apart() -> None:
    one, other = trial(0.1, 2), trial(0.2, 2)
    assert workers.work([one, other]) == workers.work([other, one])
    assert workers.work([one, other]) != workers.work([one, trial(0.2, 3)])


def test_ratios_are_of_medians() -> None:
    rounds = [
        {"workers": n, "start_s": 1.0, "training_s": training_s, "wall_s": training_s + 1}
        for n, training_s in [(1, 10), (2, 4), (2, 5), (1, 100), (1, 9), (2, 50)]
    ]
    one, two = workers.compare(rounds, [1, 2])
    assert (one["training_s"], two["training_s"]) == (10, 5)
    assert (two["training_ratio"], two["wall_ratio"]) == (2, 11 / 6)


def pretended_run(monkeypatch: pytest.MonkeyPatch, lr_of: dict[str, float]) -> list[str]:
    """Replace search.run by something that leaves one trial; return its numbers of workers."""
    asked: list[str] = []

    def run(module: str, space: str, *options: str) -> None:
        given = dict(zip(options[::2], options[1::2], strict=False))
        asked.append(given["--workers"])
        storage = open_storage(given["--storage"]).storage
        study = optuna.create_study(storage=storage, study_name=given["--study"])
        study.add_trial(trial(lr_of[given["--workers"]], 1))

    monkeypatch.setattr(workers, "run", run)
    return asked


def test_rounds_alternate_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretended_run(monkeypatch, {"1": 0.1, "2": 0.1})
    path = tmp_path / "workers.json"
    options = ["--data", "digits", "--image-size", "8", "--rounds", "2", "--json", str(path)]
    assert workers.main(options) == 0
    assert asked == ["1", "2", "2", "1"]
    report = json.loads(path.read_text())
    assert [one["workers"] for one in report["results"]] == [1, 2]
    assert len(report["rounds"]) == 4


def test_studies_of_different_trials_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended_run(monkeypatch, {"1": 0.1, "2": 0.2})
    with pytest.raises(UserError, match="different trials"):
        workers.main(["--data", "digits", "--image-size", "8", "--rounds", "1"])
