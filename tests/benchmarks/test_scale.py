import json
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from filelock import FileLock
from optuna.storages import InMemoryStorage

from benchmarks import scale
from benchmarks.scale_filling import fill
from benchmarks.scale_model import Cost, growth
from benchmarks.scale_stopwatch import Stopwatch
from search.storages.storage import Place, open_storage
from search.studies.study import open_study
from tests.search.fake_trainer import SPACE, FakeTrainer


def place(folder: Path) -> Place:
    return Place(InMemoryStorage(), "memory", folder, FileLock(folder / "lock"))


def repairmen(n_workers: int, think: float, service: float) -> float:
    """The share of time not thinking, from the steady state of a birth-death chain."""
    weights = [1.0]
    for waiting in range(n_workers):
        weights.append(weights[-1] * (n_workers - waiting) * service / think)
    pace = (1 - weights[0] / sum(weights)) / service
    return 1 - pace * think / n_workers


@pytest.mark.parametrize("n_workers", [1, 2, 5, 16, 64])
def test_the_waiting_is_that_of_the_chain_solved_state_by_state(n_workers: int) -> None:
    expected = repairmen(n_workers, think=10.0, service=0.4)
    assert Cost(0.4, 0.0).lost_share(n_workers, 10.0) == pytest.approx(expected)


def test_one_worker_loses_what_a_trial_costs() -> None:
    assert Cost(held_s=0.5, alone_s=1.5).lost_share(1, 8.0) == pytest.approx(2 / 10)


def test_where_only_the_lock_is_passed_the_pace_is_its_own() -> None:
    cost = Cost(held_s=0.5, alone_s=0.0)
    # 100 workers with trials of 1 s pass it twice a second: 2 of 100 train.
    assert cost.lost_share(100, 1.0) == pytest.approx(0.98)
    assert cost.bend(1.0) == pytest.approx(3)


def test_no_more_workers_are_allowed_than_lose_the_share() -> None:
    cost = Cost(held_s=0.1, alone_s=0.1)
    n = cost.most_workers(10.0, 0.05)
    assert cost.lost_share(n, 10.0) <= 0.05 < cost.lost_share(n + 1, 10.0)
    assert Cost(held_s=1.0, alone_s=0.0).most_workers(10.0, 0.05) == 0


def test_a_straight_growth_is_found_in_spite_of_a_moment_that_is_no_rule() -> None:
    points = [(n, Cost(0.1 + 0.001 * n, 0.2)) for n in range(0, 100, 10)]
    points[4] = (40, Cost(9.0, 9.0))
    far = growth(points).at(1000)
    assert (far.held_s, far.alone_s) == pytest.approx((1.1, 0.2))


def test_a_cost_that_shrinks_ends_at_nothing() -> None:
    assert growth([(0, Cost(0.2, 0.1)), (10, Cost(0.1, 0.1))]).at(1000).held_s == 0


def test_of_nested_spans_the_outermost_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([1.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    with watch.timing("storage_s"), watch.timing("storage_s"):
        pass
    assert watch.seconds.storage_s == 3.0


def test_another_thread_is_not_timed() -> None:
    watch = Stopwatch()

    def call() -> None:
        with watch.timing("storage_s"):
            pass

    thread = Thread(target=call)
    thread.start()
    thread.join()
    assert watch.seconds.storage_s == 0


def test_the_lock_of_a_place_is_still_one_and_its_time_is_told(tmp_path: Path) -> None:
    given, watch = place(tmp_path), Stopwatch()
    timed = watch.on_lock(given)
    with timed.lock, timed.lock:
        assert given.lock.is_locked
    assert not given.lock.is_locked
    assert watch.seconds.held_s > 0
    assert watch.seconds.waited_s > 0


def test_calls_of_a_storage_are_timed_and_return_what_they_did(tmp_path: Path) -> None:
    storage, watch = place(tmp_path).storage, Stopwatch()
    watch.on_storage(storage)
    assert storage.get_all_studies() == []
    assert watch.seconds.storage_s > 0


def row(number: int, **more: float) -> dict[str, float]:
    """A trial of 3 s, of which one was slept."""
    times = {"began_s": 3.0 * number, "ended_s": 3.0 * number + 3, "slept_s": 1.0}
    costs = {"storage_s": 0.5, "waited_s": 0.25, "held_s": 1.0, "processor_s": 0.1}
    return {"number": number, "n_epochs": 4, **times, **costs, **more}


def told(*rows: dict[str, float]) -> dict[str, Any]:
    names = ("opening_s", "peak_mib", "grown_mib")
    counts = {"n_before": [0], "n_counted": [len(rows)], "counted_s": [9.0]}
    return {"trials": [list(rows)], **counts, **{name: [1.0] for name in names}}


def test_what_is_lost_is_all_but_the_sleep() -> None:
    own = scale.summary(told(row(0), row(1)), epochs=4)
    assert own["lost_ms"] == 2000
    assert own["share"] == pytest.approx(2 / 3)
    assert own["asks_per_s"] == pytest.approx(2 / 6)


def test_what_all_lose_as_they_begin_at_once_is_no_part_of_the_settled_share() -> None:
    own = scale.summary(told(row(0, ended_s=9.0), row(1)), epochs=4)
    assert own["share"] > own["settled_share"] == pytest.approx(2 / 3)


def test_windows_tell_the_lock_from_the_rest_and_how_long_trials_were() -> None:
    [first, second] = scale.summary(told(row(0), row(1, n_epochs=2)), epochs=4)["windows"]
    assert (first["at"], first["held_s"], first["alone_s"]) == (0, 1.0, 1.0)
    assert (first["epochs"], second["epochs"]) == (1.0, 0.5)


def test_a_cell_that_has_no_time_left_counts_what_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "scale.json"
    where = ["--storages", "journal", "--space", "spaces/dropout.py", "--sampler", "random"]
    sizes = ["--workers", "2", "3", "--trials", "100000", "--before", "10", "--epochs", "2"]
    limits = ["--seconds-per-cell", "0.5", "--most-loaded", "20"]
    assert scale.main([*where, *sizes, *limits, "--json", str(path)]) == 0
    [one] = json.loads(path.read_text())["results"]
    assert one["n_counted"] == 10 + one["n_trials"] < 100_000


def test_a_toy_study_is_measured_modelled_and_drawn(tmp_path: Path) -> None:
    path, picture = tmp_path / "scale.json", tmp_path / "scale.svg"
    where = ["--storages", "journal", "--space", "spaces/dropout.py", "--epochs", "2"]
    sizes = ["--workers", "1", "2", "--trials", "6", "--before", "4"]
    files = ["--json", str(path), "--plot", str(picture)]
    assert scale.main([*where, *sizes, *files, "--sampler", "random"]) == 0
    report = json.loads(path.read_text())
    rows = [(one["workers"], one["n_before"], one["n_counted"]) for one in report["results"]]
    assert rows == [(1, 4, 10), (2, 10, 16)]
    assert all(0 < one["predicted_share"] < 1 for one in report["results"])
    assert report["far"] == []  # so few trials say nothing of many
    assert "<svg" in picture.read_text()


def test_a_database_filled_in_bulk_has_the_trials_of_one_filled_trial_by_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the folder of a database's studies is made
    trials = []
    for address in (f"sqlite:///{tmp_path}/filled.db", "filled.log"):
        opened = open_study(open_storage(address), "filled", SPACE, FakeTrainer())
        fill(opened, 7, epochs=4)
        fill(opened, 12, epochs=4)
        trials.append(opened.study.get_trials(deepcopy=False))
    in_bulk, one_by_one = trials
    assert len(in_bulk) == 12
    for trial, other in zip(in_bulk, one_by_one, strict=True):
        for name in ("number", "state", "values", "params", "distributions", "user_attrs"):
            assert getattr(trial, name) == getattr(other, name)
        assert trial.intermediate_values == other.intermediate_values
