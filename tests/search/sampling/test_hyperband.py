"""Hyperband, against Optuna's."""

from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest

from search.sampling.hyperband import Hyperband
from search.sampling.pruners import OptunaPruner
from search.space import Value
from tests.search.fake_trainer import FakeTrainer, height
from tests.search.small_studies import searched, trials_in


def crossing(params: Mapping[str, Value], epoch: int) -> float:
    """Curves that overtake one another, some of them in steps, so that values tie."""
    return round(height(params) * (1 - (0.3 + height(params) / 2) ** epoch), 2)


@pytest.mark.parametrize(
    ("epochs", "first", "name"),  # on the name depend the brackets
    [(2, 1, "small"), (3, 1, "small"), (8, 1, "small"), (8, 1, "other"), (30, 4, "small")],
)
def test_trials_one_after_the_other_are_judged_as_optuna_judges_them(
    epochs: int, first: int, name: str, tmp_path: Path
) -> None:
    theirs = OptunaPruner(
        optuna.pruners.HyperbandPruner(min_resource=first, max_resource=epochs, reduction_factor=3)
    )
    ended = []
    for pruner in (Hyperband(epochs), theirs):
        trainer = FakeTrainer(epochs=epochs, curve=crossing)
        folder = tmp_path / type(pruner).__name__
        searched(folder, 40, pruner=pruner, trainer=trainer, name=name)
        ended.append([(t.state, t.intermediate_values) for t in trials_in(folder, name)])
    assert ended[0] == ended[1]


def test_the_order_in_which_a_cohort_is_asked_about_does_not_matter() -> None:
    study = optuna.create_study(direction="maximize", study_name="s")
    values = [0.1, 0.9, 0.5, 0.3, 0.8, 0.2, 0.7, 0.4, 0.6]
    trials = [study.ask() for _ in values]
    for trial, value in zip(trials, values, strict=True):
        trial.report(value, step=1)
    numbers = [trial.number for trial in trials]
    together = Hyperband(8).doomed(study, dict.fromkeys(numbers, 1))
    alone = {number for number in numbers if Hyperband(8).doomed(study, {number: 1})}
    backwards = Hyperband(8).doomed(study, dict.fromkeys(reversed(numbers), 1))
    assert together == alone == backwards
    assert 0 < len(together) < len(values)
