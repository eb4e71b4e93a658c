from dataclasses import replace
from pathlib import Path

from search.engine.running_trial import Running
from search.engine.saving import Saving
from search.files.checkpoints import Checkpoints, files
from search.trainer import Member
from search.trials.records import PlainRecord
from tests.search.fake_trainer import FakeCohort, FakeTrainer
from tests.search.small_studies import opened_in


class _Case:
    """A trial that trains, a clock that is set, and what is written."""

    def __init__(self, folder: Path) -> None:
        opened = opened_in(folder)
        self.now_s = 0.0
        self.said: list[str] = []
        self.saving = Saving(
            opened.study, Checkpoints(folder), self.said.append, 30, clock=lambda: self.now_s
        )
        trial = opened.study.ask()
        self.run = Running(trial, {}, Member(0, {"depth": 1}, 0), place=0)
        self.cohort = FakeCohort(replace(FakeTrainer(), cohorts=[[]]))
        self.cohort.admit([self.run.member])
        self.saving.began([self.run])

    def epoch(self, epoch_s: float) -> int:
        """Train an epoch of so many seconds; return after which one the last checkpoint is."""
        (record,) = self.cohort.train_epoch()
        self.run.records.append(PlainRecord(0, record.epoch, record.value, 1.0))
        self.run.at_epoch = record.epoch
        self.now_s += epoch_s
        self.saving.after_epoch([self.run], self.cohort, epoch_s)
        kept = files(self.saving.checkpoints.folder_of(self.saving.study, 0))
        return next((int(path.name.split("-")[0]) for path in kept), 0)


def test_a_checkpoint_is_due_before_more_than_30_s_would_be_lost(tmp_path: Path) -> None:
    case = _Case(tmp_path)
    assert [case.epoch(8) for _ in range(8)] == [0, 0, 3, 3, 3, 6, 6, 6]


def test_epochs_that_take_longer_are_each_saved(tmp_path: Path) -> None:
    case = _Case(tmp_path)
    assert [case.epoch(20), case.epoch(20), case.epoch(100)] == [1, 2, 3]


def test_a_trial_that_repeats_epochs_is_not_saved_with_the_records_of_later_ones(
    tmp_path: Path,
) -> None:
    case = _Case(tmp_path)
    case.run.records.append(PlainRecord(0, 5, 0.5, 1.0))
    case.run.at_epoch = 2
    case.saving.save([case.run], case.cohort)
    assert not list(files(case.saving.checkpoints.folder_of(case.saving.study, 0)))


def test_what_cannot_be_written_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    case = _Case(tmp_path)
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    case.epoch(40)
    case.epoch(40)
    assert len(case.said) == 1
    assert "checkpoints are not written" in case.said[0]
