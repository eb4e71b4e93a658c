import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from commands.errors import UserError
from search.space import Choice, Float, Int, Parameter, Space, When
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.studies.study import open_study
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.small_studies import opened_in, searched, trials_in


def _with(*changed: Parameter) -> Space:
    rows = {row.name: row for row in SPACE.parameters} | {row.name: row for row in changed}
    return replace(SPACE, parameters=tuple(rows.values()))


def test_a_new_study_maximises_a_named_metric_and_is_pinned(tmp_path: Path) -> None:
    study = opened_in(tmp_path).study
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == ["val_accuracy"]
    assert study.user_attrs["space_digest"] == SPACE.digest
    assert study.user_attrs["space"] == SPACE.to_json()
    assert study.user_attrs["data"]["digest"] == "d" * 12
    assert study.user_attrs["objective"] == {"metric": "val_accuracy", "epochs": 8, "seed": 0}


def test_opening_a_study_again_continues_it(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    assert len(opened_in(tmp_path).study.trials) == 2


def test_only_who_begins_a_study_is_told_that_it_is_new(tmp_path: Path) -> None:
    assert [opened_in(tmp_path).is_new for _ in range(2)] == [True, False]
    assert opened_in(tmp_path, name="another").is_new


class Demanding(FakeTrainer):
    """A trainer that says more of its objective."""

    def __init__(self, **more: object) -> None:
        super().__init__()
        self.more = more

    @property
    def objective(self) -> Mapping[str, Any]:
        return {**super().objective, **self.more}


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        (
            Demanding(weights=[1, 2]),
            "trainer.objective.weights: must be text, a finite number, true, false or None, "
            "got [1, 2]",
        ),
        (Demanding(part=math.nan), "trainer.objective.part: must be text, a finite number"),
        (Demanding(epochs=0), "trainer.objective.epochs: must be an integer of at least 1, got 0"),
        (FakeTrainer(data={"name": 3}), "trainer.data.name: Input should be a valid string"),
        (FakeTrainer(data={"path": Path()}), "trainer.data: Object of type PosixPath is not JSON"),
    ],
)
def test_a_trainer_whose_study_could_not_be_read_back_is_refused_before_it_is_begun(
    trainer: FakeTrainer, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refusal:
        opened_in(tmp_path, trainer=trainer)
    assert expected in str(refusal.value)
    assert "damaged" not in str(refusal.value)
    place = open_storage(str(tmp_path / "journal.log"))
    assert optuna.get_all_study_names(place.storage) == []


def test_a_trainer_may_say_plain_values_of_its_objective(tmp_path: Path) -> None:
    trainer = Demanding(loss="focal", gamma=2.0, is_weighted=True, teacher=None, folds=5)
    assert opened_in(tmp_path, trainer=trainer).is_new
    assert not opened_in(tmp_path, trainer=trainer).is_new


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (_with(Float("lr", 1e-5, 1e-2, log=True)), "lr: 0.0001..0.1 log -> 1e-05..0.01 log"),
        (_with(Int("depth", 1, 4)), "depth: 1..3 -> 1..4"),
        (_with(Choice("pool", options=("max",))), "pool: {average, max} -> {max}"),
        (_with(Float("drop_rate", 0.0, 0.5)), "drop_rate: 0..0.5 step 0.1 -> 0..0.5"),
        (_with(Float("momentum", 0.0, 1.0)), "momentum: absent -> 0..1"),
        (replace(SPACE, fixed={}), "batch_size: fixed 32 -> absent"),
        (replace(SPACE, fixed={"batch_size": 64}), "batch_size: fixed 32 -> fixed 64"),
        (
            _with(Float("l2_3", 1e-5, 1e-2, log=True, when=When("depth", at_least=2))),
            "l2_3: 1e-05..0.01 log (float, depth >= 3) -> 1e-05..0.01 log (float, depth >= 2)",
        ),
    ],
)
def test_another_space_is_refused_with_what_differs(
    space: Space, expected: str, tmp_path: Path
) -> None:
    opened_in(tmp_path)
    with pytest.raises(UserError) as caught:
        opened_in(tmp_path, space)
    lines = str(caught.value).splitlines()
    assert [line.strip() for line in lines[1:-1]] == [expected]
    assert "small" in lines[0]
    assert "--study NAME" in lines[-1]


def test_another_budget_is_refused_with_what_differs(tmp_path: Path) -> None:
    opened_in(tmp_path)
    with pytest.raises(UserError, match=r"epochs: 8 -> 30"):
        opened_in(tmp_path, trainer=FakeTrainer(epochs=30))


def test_other_data_are_refused_but_not_the_same_data_in_another_folder(tmp_path: Path) -> None:
    moved = {"name": "digits", "source": "/elsewhere", "digest": "d" * 12}
    other = {"name": "mame", "source": "/mame", "digest": "e" * 12}
    opened_in(tmp_path)
    opened_in(tmp_path, trainer=FakeTrainer(data=moved))
    with pytest.raises(UserError, match=r"data: digits \(dddddddddddd\) -> mame \(eeeeeeeeeeee\)"):
        opened_in(tmp_path, trainer=FakeTrainer(data=other))


def test_all_differences_are_told_at_once(tmp_path: Path) -> None:
    opened_in(tmp_path)
    with pytest.raises(UserError) as caught:
        opened_in(tmp_path, _with(Int("depth", 1, 4)), FakeTrainer(epochs=30, seed=1))
    assert [word in str(caught.value) for word in ("depth:", "epochs:", "seed:")] == [True] * 3


def test_a_refused_study_is_left_as_it_was(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    before = (tmp_path / "journal.log").read_bytes()
    with pytest.raises(UserError):
        opened_in(tmp_path, _with(Int("depth", 1, 4)))
    assert (tmp_path / "journal.log").read_bytes() == before


def test_a_new_title_or_question_is_no_other_space(tmp_path: Path) -> None:
    searched(tmp_path, 2)
    assert opened_in(tmp_path, replace(SPACE, title="Another title")).name == "small"


def test_a_study_of_somebody_else_is_refused(tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "journal.log"))
    foreign = optuna.create_study(storage=place.storage, study_name="small")
    foreign.tell(foreign.ask(), 0.5)
    with pytest.raises(UserError, match=r"was not begun by search\.run"):
        open_study(place, "small", SPACE, FakeTrainer())


def test_a_study_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "journal.log"))
    optuna.create_study(storage=place.storage, study_name="small", direction="maximize")
    searched(tmp_path, 2)
    assert len(trials_in(tmp_path)) == 2


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", "x" * 201, "é" * 101, "a\nb", "-x", "artifacts", "journal.log"]
)
def test_a_name_that_could_not_be_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--study"):
        opened_in(tmp_path, name=name)


def test_an_unknown_study_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    place = opened_in(tmp_path, name="regularization").place
    with pytest.raises(UserError, match=r"did you mean regularization\?"):
        load_study(place, "regularisation")


def test_an_empty_storage_says_that_it_holds_no_study(tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "journal.log"))
    with pytest.raises(UserError, match="holds no study yet"):
        load_study(place, "small")
