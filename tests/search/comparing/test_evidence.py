"""What is gathered of a study for its entry and its report."""

import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.comparing.evidence import Evidence, gather
from search.files.artifacts import Artifacts
from search.files.predictions import FILE
from search.trainer import Member
from tests.search.fake_trainer import FakeTrainer
from tests.search.predicting import left_by
from tests.search.small_studies import opened_in, searched, trials_in


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


def test_a_study_that_it_builds_on_and_whose_files_are_gone_is_told(tmp_path: Path) -> None:
    def files(member: Member) -> dict[str, bytes]:
        return left_by(range(20 + member.key))

    searched(
        tmp_path, 2, name="first", artifacts=tmp_path / "lost", trainer=FakeTrainer(files=files)
    )
    searched(tmp_path, 2, trainer=FakeTrainer(files=files), artifacts=tmp_path / "a")
    shutil.rmtree(tmp_path / "lost")
    evidence = evidence_in(tmp_path, "first")
    assert evidence.pairs == ()
    assert evidence.notes == (
        f"Not compared with first: study first: left out, no {FILE} is kept: trial 0, 1.",
    )


def test_a_study_that_it_builds_on_without_a_complete_trial_is_told(tmp_path: Path) -> None:
    def files(member: Member) -> dict[str, bytes]:
        return left_by(range(20 + member.key))

    opened_in(tmp_path, name="first")
    searched(tmp_path, 2, trainer=FakeTrainer(files=files), artifacts=tmp_path / "a")
    evidence = evidence_in(tmp_path, "first")
    assert evidence.notes == ("Not compared with first: study first: no trial is complete yet.",)
