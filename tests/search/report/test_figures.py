import math
from pathlib import Path

import numpy as np
import pytest

from search.report.figures import Curve, learning_curves, optimisation_history
from search.report.figures_of_evidence import (
    Bar,
    Interval,
    confusion_matrix,
    importances,
    intervals,
)
from search.report.figures_of_parameters import parallel_coordinates, slices
from search.report.style import escaped, shortened
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.small_studies import searched, trials_in

ROWS = {row.name: row.to_json() for row in SPACE.parameters}
HOSTILE = "<b>&\"'/ %{x} 陶磁器"


def test_the_history_shows_each_trial_and_the_best_so_far(tmp_path: Path) -> None:
    searched(tmp_path, 12, pruner="rungs")
    trials = trials_in(tmp_path)
    traces = {trace.name: trace for trace in optimisation_history(trials).data}
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    pruned = [trial.number for trial in trials if trial.state.name == "PRUNED"]
    assert complete
    assert pruned
    assert list(traces["complete"].x) == [trial.number for trial in complete]
    assert list(traces["pruned"].x) == pruned
    values = [trial.value or 0.0 for trial in complete]
    assert list(traces["best so far"].y) == pytest.approx(np.maximum.accumulate(values), abs=1e-5)


def test_failed_trials_are_marked(tmp_path: Path) -> None:
    def fails_second(member: object, epoch: int) -> str | None:
        if getattr(member, "key", None) == 1:
            raise ValueError("broken")
        return None

    searched(tmp_path, 3, trainer=FakeTrainer(before_epoch=fails_second))
    traces = {trace.name: trace for trace in optimisation_history(trials_in(tmp_path)).data}
    assert list(traces["failed"].x) == [1]


def test_curves_of_a_kind_are_one_line_with_gaps() -> None:
    curves = [
        Curve(0, True, (1, 2), (0.1, 0.2)),
        Curve(1, True, (1, 2), (0.2, math.nan)),
        Curve(2, False, (1,), (0.05,)),
        Curve(3, True, (1, 2), (0.3, 0.4)),
    ]
    figure = learning_curves(curves, "accuracy", best=3)
    complete, best = figure.data[1], figure.data[2]
    assert list(complete.x) == [1, 2, None, 1, 2, None]
    assert list(complete.y) == [0.1, 0.2, None, 0.2, None, None]
    assert list(best.y) == [0.3, 0.4, None]
    assert best.line.width > complete.line.width


def test_each_axis_of_curves_has_a_switch_to_a_logarithmic_one_and_back() -> None:
    menus = learning_curves([Curve(0, True, (1,), (0.1,))], "loss").layout.updatemenus
    switches = {menu.buttons[0].label: menu.buttons[0] for menu in menus}
    assert switches["log epochs"].args[0]["xaxis.type"] == "log"
    assert switches["log epochs"].args2[0]["xaxis.type"] == "linear"
    assert switches["log values"].args[0]["yaxis.type"] == "log"


def test_a_slice_shows_only_trials_that_have_the_parameter(tmp_path: Path) -> None:
    searched(tmp_path, 12)
    trials = trials_in(tmp_path)
    having = [trial.params["l2_3"] for trial in trials if "l2_3" in trial.params]
    assert 0 < len(having) < len(trials)
    figure = slices(trials, ROWS["l2_3"])
    assert list(figure.data[1].x) == pytest.approx(having, rel=1e-4)
    assert figure.layout.xaxis.type == "log"


def test_options_of_a_slice_are_named_and_spread(tmp_path: Path) -> None:
    searched(tmp_path, 12)
    figure = slices(trials_in(tmp_path), ROWS["pool"])
    assert figure.layout.xaxis.ticktext == ("average", "max")
    assert all(abs(x - round(x)) <= 0.2 for x in figure.data[1].x)
    assert len(set(figure.data[1].x)) == 12


def test_parallel_coordinates_pass_below_what_a_trial_lacks(tmp_path: Path) -> None:
    searched(tmp_path, 12)
    trials = trials_in(tmp_path)
    figure = parallel_coordinates(trials, list(ROWS.values()))
    n_columns = len(ROWS) + 1  # and a gap
    lines = [
        trace.y[k : k + n_columns]
        for trace in figure.data
        for k in range(0, len(trace.y), n_columns)
    ]
    assert len(lines) == 12
    lacking = sum("l2_3" not in trial.params for trial in trials)
    column = list(ROWS).index("l2_3")
    assert sum(line[column] < 0 for line in lines) == lacking
    assert all(line[-1] is None for line in lines)


def test_the_best_tenth_is_drawn_on_top(tmp_path: Path) -> None:
    searched(tmp_path, 12)
    figure = parallel_coordinates(trials_in(tmp_path), list(ROWS.values()))
    assert [trace.name for trace in figure.data] == [
        "the others",
        "best half",
        "best quarter",
        "best tenth",
    ]


def test_importances_stand_in_order_with_their_bands() -> None:
    figure = importances([Bar("lr", 0.7, 0.5, 0.8, True), Bar("depth", 0.3, 0.3, 0.6, False)])
    bars = figure.data[0]
    assert figure.layout.yaxis.ticktext == ("depth", "lr")
    assert list(bars.x) == [0.3, 0.7]
    assert list(bars.error_x.array) == pytest.approx([0.3, 0.1])
    assert list(bars.error_x.arrayminus) == pytest.approx([0.0, 0.2])
    assert bars.marker.color[0] != bars.marker.color[1]


def test_intervals_tell_the_best_set_from_the_others() -> None:
    rows = [Interval("trial 1", 0.8, 0.7, 0.9, True), Interval("trial 0", 0.5, 0.4, 0.6, False)]
    first, second = intervals(rows).data
    assert (list(first.x), list(second.x)) == ([0.8], [0.5])
    assert list(first.y) > list(second.y)


def test_a_confusion_matrix_is_coloured_by_shares_and_names_its_cells() -> None:
    figure = confusion_matrix(np.array([[3, 1], [0, 0]]), [HOSTILE, "a/b"])
    cells = figure.data[0]
    assert cells.z[0][1] == pytest.approx(0.5)  # the root of a quarter
    assert "1 images, 25.0% of the class" in cells.customdata[0][1]
    assert "&lt;b&gt;&amp;\"'/ %{x}" in cells.customdata[0][1]
    assert "<b>" not in figure.to_json().replace("\\u003c", "<")


def test_text_is_escaped_and_cut() -> None:
    assert escaped(HOSTILE) == "&lt;b&gt;&amp;\"'/ %{x} 陶磁器"
    assert shortened("<<<<<", 3) == "&lt;&lt;…"
