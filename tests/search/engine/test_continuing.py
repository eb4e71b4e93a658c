"""Trials that were stopped go on: what was computed stays, and the study is as undisturbed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.engine.continuing import MOST_DEATHS
from search.files.artifacts import Artifacts
from search.files.checkpoints import Checkpoints, files
from search.files.history import read_history
from search.hosts.owner import this_process
from search.trainer import Member
from search.trials.reading import (
    CONTINUES,
    DEATHS,
    FAILURE,
    INTERRUPTED,
    LOST,
    OWNER,
    PLACE,
    is_counted,
)
from tests.search.fake_trainer import FakeCohort, FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in

DEAD = this_process() | {"started": "before"}


class PowerCut(BaseException):
    """What no handler catches."""


def at(number: int, epoch: int, error: type[BaseException]) -> Callable[[Member, int], None]:
    """Return what raises once, in an epoch of a trial."""

    def act(member: Member, at_epoch: int) -> None:
        if (member.key, at_epoch) == (number, epoch):
            raise error

    return act


def die(folder: Path, total: int, number: int, epoch: int, **options: Any) -> None:
    """Search as a process that dies in an epoch of a trial, without a word."""
    trainer = FakeTrainer(before_epoch=at(number, epoch, PowerCut))
    with pytest.raises(PowerCut):
        searched(folder, total, trainer=trainer, artifacts=folder / "a", **options)
    bury(folder)


def bury(folder: Path) -> None:
    """Let the running trials be those of a process that is dead."""
    opened = opened_in(folder)
    for trial in opened.study.get_trials(states=(TrialState.RUNNING,)):
        opened.place.storage.set_trial_user_attr(trial._trial_id, OWNER, DEAD)


def counted(folder: Path) -> list[tuple[object, ...]]:
    """Return what counts of a study, in the order of places."""
    trials = sorted(filter(is_counted, trials_in(folder)), key=lambda t: t.user_attrs[PLACE])
    return [
        (t.user_attrs[PLACE], t.params, t.value, t.state, t.intermediate_values, seed_of(t))
        for t in trials
    ]


def seed_of(trial: FrozenTrial) -> int:
    seed: int = trial.user_attrs["seed"]
    return seed


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])  # CMA-ES draws by trials' numbers
@pytest.mark.parametrize("error", [PowerCut, KeyboardInterrupt])
def test_a_study_that_was_stopped_becomes_what_it_would_have_been(
    error: type[BaseException], sampler: str, tmp_path: Path
) -> None:
    searched(tmp_path / "whole", 16, sampler=sampler, pruner="rungs")
    folder = tmp_path / "parts"
    for number, epoch in ((3, 2), (6, 1), (14, 1)):
        trainer = FakeTrainer(before_epoch=at(number, epoch, error))
        try:
            searched(
                folder,
                16,
                trainer=trainer,
                sampler=sampler,
                pruner="rungs",
                artifacts=folder / "a",
            )
        except PowerCut:
            bury(folder)
    searched(folder, 16, sampler=sampler, pruner="rungs", artifacts=folder / "a")
    assert len(trials_in(folder)) == 16 + 3
    assert counted(folder) == counted(tmp_path / "whole")


@pytest.mark.parametrize("has_checkpoints", [True, False])
@pytest.mark.parametrize("pruner", ["rungs", "median", "hyperband"])
def test_a_pruner_decides_as_if_nothing_had_been_stopped(
    pruner: str, has_checkpoints: bool, tmp_path: Path
) -> None:
    searched(tmp_path / "whole", 30, pruner=pruner)
    long = [t.number for t in trials_in(tmp_path / "whole") if len(t.intermediate_values) >= 6]
    folder = tmp_path / "parts"
    kept = folder / "a" if has_checkpoints else None
    for stopped in long[:4]:

        def act(member: Member, epoch: int, stopped: int = stopped) -> None:
            if trials_in(folder)[member.key].user_attrs[PLACE] == stopped and epoch == 5:
                raise KeyboardInterrupt

        trainer = FakeTrainer(before_epoch=act)
        searched(folder, 30, pruner=pruner, trainer=trainer, artifacts=kept)
    searched(folder, 30, pruner=pruner, artifacts=kept)
    assert len(trials_in(folder)) == 30 + 4
    assert counted(folder) == counted(tmp_path / "whole")


def test_a_trial_goes_on_after_the_epoch_of_its_checkpoint(tmp_path: Path) -> None:
    die(tmp_path, 3, number=1, epoch=6)
    trainer = FakeTrainer()
    outcome = searched(tmp_path, 3, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 3 + 8  # of trial 1, 5 of 8 epochs were done
    lost, successor = trials_in(tmp_path)[1:3]
    assert lost.state == TrialState.FAIL
    assert LOST in lost.user_attrs
    assert successor.user_attrs[CONTINUES] == 1
    assert list(successor.intermediate_values) == list(range(1, 9))
    assert successor.params == lost.params
    assert (outcome.ended, outcome.standing.n_complete) == ("total", 3)
    history = read_history(successor, Artifacts(tmp_path / "a"))
    assert history.epochs == tuple(range(1, 9))


def test_where_there_is_no_checkpoint_it_begins_again(tmp_path: Path) -> None:
    die(tmp_path, 2, number=1, epoch=6, checkpoint_every_s=1e9)
    assert not list((tmp_path / "a").rglob("*.ckpt"))
    trainer = FakeTrainer()
    searched(tmp_path, 2, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 8
    assert list(trials_in(tmp_path)[2].intermediate_values) == list(range(1, 9))


def test_a_request_to_stop_leaves_a_checkpoint_of_the_epoch_that_has_just_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(member: Member, epoch: int) -> None:
        if epoch == 4:
            opened = opened_in(tmp_path)
            opened.study.set_user_attr("stop", "now")

    monkeypatch.setattr("search.engine.stopping._BETWEEN_LOOKS_S", -1)
    outcome = searched(
        tmp_path,
        2,
        trainer=FakeTrainer(before_epoch=ask),
        artifacts=tmp_path / "a",
        checkpoint_every_s=1e9,
    )
    assert (outcome.ended, outcome.exit_status) == ("search.stop", 0)
    assert trials_in(tmp_path)[0].user_attrs[INTERRUPTED] == "search.stop"
    trainer = FakeTrainer()
    searched(tmp_path, 1, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 4  # the other 4 of 8 epochs


def test_checkpoints_are_removed_with_the_end_of_their_trial(tmp_path: Path) -> None:
    die(tmp_path, 2, number=1, epoch=6)
    opened = opened_in(tmp_path)
    checkpoints = Checkpoints(tmp_path / "a")
    assert len(list(files(checkpoints.folder_of(opened.study, 1)))) == 2
    searched(tmp_path, 2, artifacts=tmp_path / "a")
    assert not checkpoints.study_folder(opened.study).exists()


def test_checkpoints_that_a_dead_process_left_of_an_ended_trial_are_removed(
    tmp_path: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        for name in ("forget", "sweep"):
            patched.setattr(f"search.engine.saving.Saving.{name}", lambda self, what: None)
        searched(tmp_path, 2, artifacts=tmp_path / "a")
    die(tmp_path, 3, number=2, epoch=6)
    folder = Checkpoints(tmp_path / "a").study_folder(opened_in(tmp_path).study)
    assert {path.name for path in folder.iterdir()} == {"0", "1", "2"}
    searched(tmp_path, 2, artifacts=tmp_path / "a")  # trial 2 may go on yet
    assert {path.name for path in folder.iterdir()} == {"2"}
    searched(tmp_path, 3, artifacts=tmp_path / "a")
    assert not folder.exists()


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    die(tmp_path, 1, number=0, epoch=6)
    newest, _ = files(Checkpoints(tmp_path / "a").folder_of(opened_in(tmp_path).study, 0))
    newest.write_bytes(newest.read_bytes()[:-3])
    trainer = FakeTrainer()
    searched(tmp_path, 1, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 8 - 4


def test_a_state_that_does_not_fit_lets_the_trial_begin_again(tmp_path: Path) -> None:
    class Picky(FakeTrainer):
        def open(self, members: Sequence[Member]) -> FakeCohort:
            if any(member.state for member in members):
                raise ValueError("another network's")
            return super().open(members)

    die(tmp_path, 1, number=0, epoch=6)
    trainer = Picky()
    outcome = searched(tmp_path, 1, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 8
    assert outcome.standing.n_complete == 1


@pytest.mark.parametrize("name", ["depth", "lr"])
def test_a_trial_that_has_lost_a_parameter_is_drawn_again(name: str, tmp_path: Path) -> None:
    die(tmp_path, 1, number=0, epoch=6)
    journal = tmp_path / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if f'"param_name":"{name}"' not in line))
    trainer = FakeTrainer()
    searched(tmp_path, 1, trainer=trainer, artifacts=tmp_path / "a")
    assert len(trainer.trained) == 8
    again = trials_in(tmp_path)[1]
    assert name in again.params
    assert CONTINUES not in again.user_attrs
    assert again.user_attrs[PLACE] == 0


def test_of_a_cohort_only_the_one_whose_state_does_not_fit_begins_again(tmp_path: Path) -> None:
    class Picky(FakeTrainer):
        def open(self, members: Sequence[Member]) -> FakeCohort:
            if any(member.state and member.key == 5 for member in members):
                raise ValueError("damaged")
            return super().open(members)

    die(tmp_path, 4, number=1, epoch=6, cohort=4)
    trainer = Picky()
    outcome = searched(tmp_path, 4, trainer=trainer, cohort=4, artifacts=tmp_path / "a")
    assert outcome.standing.n_complete == 4
    n_epochs = {key: sum(key in keys for keys in trainer.trained) for key in range(4, 8)}
    assert n_epochs == {4: 3, 5: 8, 6: 3, 7: 3}


def test_trials_over_which_processes_have_died_twice_train_alone(tmp_path: Path) -> None:
    for number in (1, 5):
        die(tmp_path, 4, number=number, epoch=1, cohort=4)
    trainer = FakeTrainer()
    searched(tmp_path, 4, trainer=trainer, cohort=4, artifacts=tmp_path / "a")
    assert trainer.cohorts == [[8], [9], [10], [11]]


def test_a_trial_over_which_processes_have_died_twice_joins_no_cohort(tmp_path: Path) -> None:
    alike = frozenset({"batch_size"})  # fixed, so that all share a fusion key
    die(tmp_path, 2, number=1, epoch=1, cohort=2)
    opened = opened_in(tmp_path)
    opened.place.storage.set_trial_user_attr(
        opened.study.trials[1]._trial_id, DEATHS, {"n": 1, "epoch": 0}
    )
    trainer = FakeTrainer(shared_names=alike)
    searched(tmp_path, 4, trainer=trainer, cohort=2, artifacts=tmp_path / "a")
    assert trials_in(tmp_path)[3].user_attrs[DEATHS]["n"] == 2
    assert trainer.cohorts == [[2, 4], [3], [5]]


def test_a_trial_that_was_closed_elsewhere_and_then_raises_is_left_alone(tmp_path: Path) -> None:
    def lose(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (0, 3):
            bury(tmp_path)
            searched(tmp_path, 1, artifacts=tmp_path / "a")
            raise RuntimeError("the device was suspended")

    trainer = FakeTrainer(before_epoch=lose)
    outcome = searched(tmp_path, 2, trainer=trainer, artifacts=tmp_path / "a")
    assert (outcome.standing.n_complete, outcome.standing.n_failed) == (2, 0)


def test_a_cohort_goes_on_together(tmp_path: Path) -> None:
    die(tmp_path, 4, number=1, epoch=6, cohort=4)
    trainer = FakeTrainer()
    searched(tmp_path, 4, trainer=trainer, cohort=4, artifacts=tmp_path / "a")
    searched(tmp_path / "whole", 4, cohort=4)
    assert counted(tmp_path) == counted(tmp_path / "whole")


def test_a_trial_over_which_process_after_process_dies_fails(tmp_path: Path) -> None:
    for _ in range(MOST_DEATHS):
        number = len(trials_in(tmp_path)) if (tmp_path / "journal.log").exists() else 0
        die(tmp_path, 2, number=number, epoch=3)
    outcome = searched(tmp_path, 2, artifacts=tmp_path / "a")
    assert (outcome.standing.n_failed, outcome.standing.n_complete) == (1, 1)
    failed = trials_in(tmp_path)[MOST_DEATHS - 1]
    assert "5 processes in a row have died" in failed.user_attrs[FAILURE]


def test_a_process_whose_trial_was_closed_leaves_it_to_the_other(tmp_path: Path) -> None:
    def lose(member: Member, epoch: int) -> None:
        if (member.key, epoch) == (0, 3):
            bury(tmp_path)
            searched(tmp_path, 1, artifacts=tmp_path / "a")

    outcome = searched(
        tmp_path, 2, trainer=FakeTrainer(before_epoch=lose), artifacts=tmp_path / "a"
    )
    assert outcome.standing.n_complete == 2
    assert [trial.state for trial in trials_in(tmp_path)] == [
        TrialState.FAIL,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
    ]
