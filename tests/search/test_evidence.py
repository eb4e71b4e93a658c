"""What is gathered of a study for its entry and its report."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.artifacts import Artifacts
from search.evidence import Evidence, gather
from search.trainer import Member
from tests.search.fake_trainer import FakeTrainer
from tests.search.studies import opened_in, searched, trials_in


def evidence_in(folder: Path, *builds_on: str, name: str = "small") -> Evidence:
    opened = opened_in(folder, name=name)
    return gather(opened.place, opened.study, Artifacts(folder / "a"), builds_on)


def test_the_time_of_a_study_has_that_before_a_stop(tmp_path: Path) -> None:
    def stop(member: Member, epoch: int) -> None:
        if epoch == 6:
            raise KeyboardInterrupt

    searched(tmp_path, 1, trainer=FakeTrainer(before_epoch=stop), artifacts=tmp_path / "a")
    searched(tmp_path, 1, artifacts=tmp_path / "a")
    stopped, successor = trials_in(tmp_path)
    assert (stopped.state, successor.state) == (TrialState.FAIL, TrialState.COMPLETE)
    spans = [trial.duration.total_seconds() for trial in (stopped, successor) if trial.duration]
    assert evidence_in(tmp_path).cost.busy_s == pytest.approx(sum(spans), abs=1e-5)
