"""What a command line makes of a configuration, above all where validation is trained on too."""

import pytest

from commands.errors import UserError
from mame_cnn.runs.training_plan import Plan
from tests.mame_cnn.factory import make_config

WITH_VAL = Plan(uses_val=True)


def test_what_validation_chose_is_repeated_on_the_same_schedule() -> None:
    config = make_config(epochs=20, schedule="cosine", patience_epochs=3)

    applied = WITH_VAL.applied(config, "digits")

    assert applied.training.epochs == 20
    assert applied.training.patience_epochs == 0
    assert WITH_VAL.kept_epoch(applied, {"best_epoch": 7}) == 7


def test_epochs_that_are_asked_for_are_those_of_the_schedule_too() -> None:
    plan = Plan(epochs=5, uses_val=True)

    applied = plan.applied(make_config(epochs=20, schedule="cosine"), "digits")

    assert applied.training.epochs == 5
    assert plan.kept_epoch(applied, {"best_epoch": 7}) == 5


def test_the_best_epoch_is_that_of_the_run_whose_configuration_it_is() -> None:
    provenance = {"best_epoch": 7, "training": {"best_epoch": 11}}

    assert WITH_VAL.kept_epoch(make_config(epochs=20), provenance) == 11


def test_validation_chooses_where_it_is_not_trained_on() -> None:
    assert Plan(epochs=5).kept_epoch(make_config(), {"best_epoch": 7}) is None


@pytest.mark.parametrize("best_epoch", [0, 4, 2.0, True, "2"])
def test_an_epoch_that_the_configuration_has_not_is_refused(best_epoch: object) -> None:
    with pytest.raises(UserError, match="one of its 3 epochs, got"):
        WITH_VAL.kept_epoch(make_config(epochs=3), {"best_epoch": best_epoch})


def test_without_a_best_epoch_it_is_asked_for() -> None:
    with pytest.raises(UserError, match="needs --epochs"):
        WITH_VAL.kept_epoch(make_config(), {"study": "toy"})


def test_a_schedule_that_waits_for_validation_is_refused() -> None:
    config = make_config(schedule="plateau")

    for plan in (WITH_VAL, Plan(epochs=5, uses_val=True)):
        with pytest.raises(UserError, match="--train-on-val: the schedule plateau"):
            plan.applied(config, "digits")
    assert Plan(epochs=5).applied(config, "digits").training.epochs == 5
