from collections.abc import Iterable
from typing import Any

import pytest
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from benchmarks.faulting import verdict
from benchmarks.faulting.endings import losses_of_end
from benchmarks.faulting.looks import Facts, by_place, facts, trials
from benchmarks.faulting.loss import Loss
from benchmarks.faulting.setting import Files
from search.trials.reading import CONTINUES, INTERRUPTED, PLACE
from tests.benchmarks.faulting.faulted import N, trial


def kinds(losses: Iterable[Loss]) -> list[str]:
    return [loss.kind for loss in losses]


def test_a_sound_study_has_no_losses(files: Files, seen: dict[int, Facts]) -> None:
    found = trials(files.journal)
    assert list(seen) == list(range(N))
    losses = [
        *verdict.of_finished(seen, found),
        *verdict.of_total(found, N),
        *verdict.of_values(found, by_place(found)),
        *verdict.of_dashboard(files.journal, found),
        *verdict.of_leftovers(files),
        *verdict.of_aside(files),
        *verdict.of_doctor(0, "healthy"),
    ]
    assert losses == []


def test_a_finished_trial_that_is_gone_is_lost(files: Files, seen: dict[int, Facts]) -> None:
    lines = files.journal.read_bytes().splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if b'"op_code":4' in line)
    files.journal.write_bytes(b"".join(lines[:last]))
    found = trials(files.journal)
    assert list(verdict.of_finished(seen, found)) == [Loss("lost", "trial 2 is gone")]
    assert kinds(verdict.of_total(found, N)) == ["total", "total"]  # too few; which is missing


def test_a_value_that_was_changed_is_found(files: Files, seen: dict[int, Facts]) -> None:
    undisturbed = by_place(trials(files.journal))
    lines = files.journal.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if '"lr":0.1' in line)
    assert '"value":0.5' in lines[at]
    lines[at] = lines[at].replace('"value":0.5', '"value":0.75')
    files.journal.write_text("".join(lines))
    found = trials(files.journal)
    (changed,) = verdict.of_finished(seen, found)
    assert (changed.kind, changed.what.split(":")[0]) == ("changed", "trial 1")
    assert kinds(verdict.of_values(found, undisturbed)) == ["values"]


@pytest.mark.parametrize(
    "more",
    [
        {"intermediate_values": {1: 0.4}},
        {"user_attrs": {PLACE: 0, "metrics": {}}},
        {"system_attrs": {"artifacts:1": ""}},
        {"params": {"lr": 0.2}},
        {"state": TrialState.PRUNED},
    ],
)
def test_whatever_is_written_of_a_finished_trial_may_not_change(more: dict[str, Any]) -> None:
    before, after = trial(0), trial(0, **more)
    before.number = after.number = 0
    assert kinds(verdict.of_finished({0: facts(before)}, [after])) == ["changed"]


def test_parameters_and_reports_are_compared_with_an_undisturbed_study_by_place() -> None:
    undisturbed = by_place([trial(0), trial(1)])
    assert list(verdict.of_values([trial(1), trial(0)], undisturbed)) == []
    stopped = trial(1, state=TrialState.FAIL, value=None, user_attrs={INTERRUPTED: "", PLACE: 1})
    assert list(verdict.of_values([stopped], undisturbed)) == []
    other = trial(1, intermediate_values={1: 0.4000000000000001, 2: 0.5})
    assert kinds(verdict.of_values([other], undisturbed)) == ["values"]


def numbered(*ones: FrozenTrial) -> list[FrozenTrial]:
    for number, one in enumerate(ones):
        one.number = number
    return list(ones)


def test_a_total_that_is_off_is_found() -> None:
    assert list(verdict.of_total(numbered(trial(0), trial(1)), 2)) == []
    too_many = list(verdict.of_total(numbered(trial(0), trial(1), trial(2)), 2))
    assert too_many == [Loss("total", "3 trials count, not 2")]
    running = trial(1, state=TrialState.RUNNING, value=None)
    assert list(verdict.of_total(numbered(trial(0), running), 2)) == [
        Loss("total", "trial 1 is RUNNING")
    ]


def test_a_place_that_two_trials_have_is_counted_twice() -> None:
    losses = list(verdict.of_total(numbered(trial(0), trial(0)), 2))
    assert losses[0] == Loss("twice", "2 trials count as the study's trial 0")


def test_a_trial_that_two_go_on_for_is_counted_twice() -> None:
    both = [trial(place, user_attrs={PLACE: place, CONTINUES: 7}) for place in (0, 1)]
    assert kinds(verdict.of_total(numbered(*both), 2)) == ["twice"]


def test_a_storage_that_the_dashboard_cannot_read_is_unreadable(files: Files) -> None:
    found = trials(files.journal)
    assert kinds(verdict.of_dashboard(files.journal, [*found, trial(3)])) == ["unreadable"]
    with files.journal.open("ab") as file:
        file.write(b"no record\n")
    assert kinds(verdict.of_dashboard(files.journal, found)) == ["unreadable"]


@pytest.mark.parametrize(
    "name",
    [
        "artifacts/checkpoints/faults-1/0/2-3.ckpt",
        "artifacts/checkpoints/faults-1/0/.tmp123",
        "artifacts/.tmp123/history.csv",
        "journal.log.lock",
        "faults/notebook.md.part",
    ],
)
def test_what_is_left_behind_is_found(name: str, files: Files) -> None:
    path = files.studies / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    losses = [*verdict.of_leftovers(files), *verdict.of_aside(files)]
    assert set(kinds(losses)) == {"leftover"}


def test_a_lock_that_somebody_holds_is_found(files: Files) -> None:
    with FileLock(f"{files.journal}.claims.lock"):
        assert kinds(verdict.of_leftovers(files)) == ["leftover"]


def test_what_the_doctor_finds_is_a_leftover() -> None:
    assert kinds(verdict.of_doctor(1, "1 fault")) == ["leftover"]


@pytest.mark.parametrize(
    ("status", "output", "expected"),
    [
        (0, "study faults: has 6 trials", []),
        (143, "study faults: stopped by SIGTERM; the same command goes on with it", []),
        (143, "", ["ending"]),
        (130, "study faults: stopped by Ctrl-C; the same command goes on with it", ["ending"]),
        (-9, "", ["ending"]),
        (0, "Traceback (most recent call last):\nKeyError: 1", ["traceback"]),
        (1, "Traceback (most recent call last):\nKeyError: 1", ["traceback", "ending"]),
    ],
)
def test_ends_must_be_documented_and_explained(
    status: int, output: str, expected: list[str]
) -> None:
    assert kinds(losses_of_end(status, output, {143})) == expected
