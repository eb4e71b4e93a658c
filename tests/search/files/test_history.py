import math
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.files.artifacts import Artifacts
from search.files.history import FILE, history_file, read_history
from search.trainer import Member
from tests.search.fake_trainer import FakeRecord, FakeTrainer
from tests.search.small_studies import searched, trials_in


def _artifacts_with(folder: Path, trial: FrozenTrial, content: bytes) -> Artifacts:
    """Put other content into a trial's file."""
    artifacts = Artifacts(folder)
    (folder / trial.user_attrs["artifacts"][FILE]).write_bytes(content)
    return artifacts


def test_the_file_has_a_row_an_epoch_and_all_that_records_tell() -> None:
    records = [
        FakeRecord(7, 1, 0.25, {"lr": 1e-3, "train_loss": 2.0}),
        FakeRecord(7, 2, 0.5, {"lr": 1e-3, "train_loss": math.inf, "penalty": 1e-9}),
    ]
    assert history_file(records).decode().splitlines() == [
        "epoch,value,lr,train_loss,penalty",
        "1,0.25,0.001,2,nan",
        "2,0.5,0.001,inf,1e-09",
    ]


def test_every_complete_and_every_pruned_trial_keeps_its_curves(tmp_path: Path) -> None:
    searched(tmp_path, 12, pruner="rungs", cohort=2, artifacts=tmp_path / "a")
    trials = trials_in(tmp_path)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        history = read_history(trial, Artifacts(tmp_path / "a"))
        assert (history.number, history.state) == (trial.number, trial.state.name.lower())
        assert history.is_complete == (trial.state == TrialState.COMPLETE)
        assert history.epochs == tuple(trial.intermediate_values)
        assert history.values == pytest.approx(tuple(trial.intermediate_values.values()))
        assert history.column("train_accuracy") == (0.5,) * len(history.epochs)
        assert history.params == trial.params
        assert history.failure is None


def test_a_trial_whose_training_failed_keeps_its_curves_and_the_reason(tmp_path: Path) -> None:
    def fail(member: Member, epoch: int) -> str | None:
        return "diverged" if epoch == 3 else None

    searched(tmp_path, 1, trainer=FakeTrainer(before_epoch=fail), artifacts=tmp_path / "a")
    history = read_history(trials_in(tmp_path)[0], Artifacts(tmp_path / "a"))
    assert (history.state, history.failure) == ("pruned", "diverged")
    assert history.epochs == (1, 2, 3)
    assert history.values[2] == 0


def test_epochs_repeated_after_a_cohort_did_not_fit_stand_once(tmp_path: Path) -> None:
    def fail_together(member: Member, epoch: int) -> str | None:
        if len(trainer.trained[-1]) == 2 and epoch == 3:
            raise RuntimeError("together")
        return None

    trainer = FakeTrainer(before_epoch=fail_together)
    searched(tmp_path, 2, trainer=trainer, cohort=2, artifacts=tmp_path / "a")
    for trial in trials_in(tmp_path):
        history = read_history(trial, Artifacts(tmp_path / "a"))
        assert history.epochs == tuple(range(1, 9))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"epoch,value\n",
        b"epoch,value\n1,x\n",
        b"epoch,value\n1\n",
        b"epoch,value\n2,0.5\n1,0.5\n",
        b"epoch,value\n1,0.5\n1,0.5\n",
        b"epoch\n1\n",
        b"epoch,value\n1,0.5,9\n",
        b"\xff\xfe\x00",
        b'epoch,value\n1,"0.5',
    ],
)
def test_where_the_file_is_damaged_what_optuna_keeps_stands_in(
    tmp_path: Path, content: bytes
) -> None:
    searched(tmp_path, 1, artifacts=tmp_path / "a")
    trial = trials_in(tmp_path)[0]
    history = read_history(trial, _artifacts_with(tmp_path / "a", trial, content))
    assert history.epochs == tuple(range(1, 9))
    assert history.values == tuple(trial.intermediate_values.values())
    assert (history.metrics, history.column("train_loss")) == ({}, ())


def test_without_a_file_or_an_epoch_there_is_still_a_history(tmp_path: Path) -> None:
    searched(tmp_path, 1)
    history = read_history(trials_in(tmp_path)[0], Artifacts(tmp_path / "none"))
    assert history.column("epoch") == tuple(map(float, range(1, 9)))
    assert history.column("value") == history.values
    assert replace(history, epochs=(), values=()).column("epoch") == ()
