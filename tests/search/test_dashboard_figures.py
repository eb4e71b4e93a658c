import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution

from search.comparing.evidence import gather
from search.dashboard_figures import (
    CURVES,
    INTERVALS,
    MOST_PARAMETERS,
    MOST_TRIALS,
    PARAMETERS,
    study_figures,
)
from search.files.artifacts import Artifacts
from search.space import Float, Question, Space
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.small_studies import opened_in, searched

ROWS = [parameter.to_json() for parameter in SPACE.parameters]
PREFIX = "dashboard:plot_data:"


def figures_of(folder: Path, rows: Any = ROWS) -> Any:
    opened = opened_in(folder)
    evidence = gather(opened.place, opened.study, Artifacts(folder / "a"))
    return study_figures(evidence, rows)


def saved(folder: Path) -> dict[str, str]:
    """Return the figures as the dashboard puts them together."""
    study = opened_in(folder).study
    attrs = study._storage.get_study_system_attrs(study._study_id)
    names = {key.split(":")[2] for key in attrs if key.startswith(PREFIX)}
    pieces = {name: sum(key.startswith(f"{PREFIX}{name}:") for key in attrs) for name in names}
    return {
        name: "".join(attrs[f"{PREFIX}{name}:{i}"] for i in range(n)) for name, n in pieces.items()
    }


def test_a_search_leaves_figures_and_a_continued_one_replaces_them(tmp_path: Path) -> None:
    searched(tmp_path, 3)
    first = saved(tmp_path)
    assert first.keys() == {CURVES, PARAMETERS}
    searched(tmp_path, 6)
    second = saved(tmp_path)
    assert second.keys() == first.keys()
    for name, text in second.items():
        assert text != first[name]
        assert json.loads(text)["data"]


def test_the_best_trials_curve_stands_out(tmp_path: Path) -> None:
    searched(tmp_path, 12, pruner="rungs")
    study = opened_in(tmp_path).study
    curves = figures_of(tmp_path)[CURVES]
    by_name = {trace.name: trace for trace in curves.data}
    best = by_name[f"best: trial {study.best_trial.number}"]
    assert max(value for value in best.y if value is not None) == pytest.approx(
        study.best_value, rel=1e-4
    )
    others = [trace for trace in by_name.values() if trace is not best]
    assert len(others) == 2  # those that are complete, and those that are not
    assert all(trace.line.width < best.line.width for trace in others)


def test_a_study_without_a_value_has_no_figure(tmp_path: Path) -> None:
    def fail(member: object, epoch: int) -> str | None:
        raise RuntimeError(f"nothing works: {member} {epoch}")

    assert figures_of(tmp_path) == {}
    searched(tmp_path, 2, trainer=FakeTrainer(before_epoch=fail))
    assert figures_of(tmp_path) == {}


def test_one_trial_has_curves_alone(tmp_path: Path) -> None:
    searched(tmp_path, 1)
    assert figures_of(tmp_path).keys() == {CURVES}


def test_figures_of_many_trials_show_the_best_and_stay_small(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = Space("Many", Question("", "", ""), tuple(Float(f"p{i}", 0, 1) for i in range(10)))
    opened = opened_in(tmp_path, space)
    distributions: dict[str, BaseDistribution] = {
        f"p{i}": FloatDistribution(0, 1) for i in range(10)
    }
    for number in range(MOST_TRIALS + 20):
        opened.study.add_trial(
            optuna.trial.create_trial(
                params=dict.fromkeys(distributions, number * 7 % 100 / 100),
                distributions=distributions,
                value=number / 1000,
                intermediate_values=dict.fromkeys(range(1, 31), number / 1000),
            )
        )
    rows = [parameter.to_json() for parameter in space.parameters]
    found = study_figures(gather(opened.place, opened.study, None), rows)
    assert INTERVALS not in found
    assert found[CURVES].layout.title.text == "Learning curves: the best 100 of 120"
    shown = {n for trace in found[CURVES].data for n in trace.customdata if n is not None}
    assert shown == set(range(20, 120))
    assert len(found[PARAMETERS].layout.xaxis.tickvals) == MOST_PARAMETERS
    assert sum(len(figure.to_json()) for figure in found.values()) < 300_000
