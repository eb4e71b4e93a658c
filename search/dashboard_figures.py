"""The figures that a study shows in Optuna's dashboard, beside those that the dashboard makes.

Saved when a search ends, under names that stay, so that a study that is continued has each once.
They lie in the study's attributes, which everyone reads who opens the study: hence few, and small.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import save_plotly_graph_object

from search.comparing.comparison import Comparison
from search.comparing.evidence import Evidence
from search.comparing.importance import Importance
from search.report.figures import Curve, learning_curves
from search.report.figures_of_evidence import Bar, Interval, importances, intervals
from search.report.figures_of_parameters import parallel_coordinates
from search.studies.pins import SPACE
from search.trials.reading import best_value, ranked

CURVES, INTERVALS = "learning-curves", "accuracies-with-intervals"
PARAMETERS, IMPORTANCES = "parameters-of-complete-trials", "importances"
_ABOVE_CURVES_PX = 90  # the title, and the buttons below it
MOST_TRIALS, MOST_INTERVALS, MOST_PARAMETERS = 100, 25, 8
"""In one figure, the best: 100 trials of 30 epochs and 10 parameters are some 100 kB in all."""


def save_figures(study: Study, evidence: Evidence) -> None:
    """Save the figures of a study as it stands, in place of those saved before."""
    rows = study.user_attrs.get(SPACE, {}).get("parameters", ())
    for name, figure in study_figures(evidence, rows).items():
        save_plotly_graph_object(study, figure, graph_object_id=name)


def study_figures(
    evidence: Evidence, rows: Sequence[Mapping[str, Any]]
) -> Mapping[str, go.Figure]:
    """Return figures by the names under which they are saved; those alone that show something.

    Args:
        rows: the parameters' plain forms.
    """
    figures = {}
    if valued := _best_first(evidence.trials):
        figures[CURVES] = _curves(valued, evidence.metric)
    if evidence.comparison is not None:
        figures[INTERVALS] = _intervals(evidence.comparison)
    complete, shown = ranked(evidence.trials), _foremost(rows, evidence.importance)
    if len(complete) > 1 and len(shown) > 1:
        title = _title("Parameters of complete trials", len(complete), MOST_TRIALS)
        figures[PARAMETERS] = parallel_coordinates(complete[:MOST_TRIALS], shown, title=title)
    if found := evidence.importance.rows:
        bars = [Bar(row.name, row.share, row.low, row.high, row.is_above_chance) for row in found]
        title = "Importance (grey: not above chance)"
        figures[IMPORTANCES] = importances(bars, title=title)
    return figures


def _foremost(
    rows: Sequence[Mapping[str, Any]], importance: Importance
) -> list[Mapping[str, Any]]:
    """Return as many parameters as half a page has room for, those first that mattered most.

    None where that is not known of too many.
    """
    order = {row.name: place for place, row in enumerate(importance.rows)}
    if not order and len(rows) > MOST_PARAMETERS:
        return []
    found = sorted(rows, key=lambda row: order.get(row["name"], len(order)))
    return found[:MOST_PARAMETERS]


def _best_first(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that have a value, be it of an epoch of a pruned one, best first."""
    valued = [
        (value, trial)
        for trial in trials
        if (value := best_value(trial)) is not None and math.isfinite(value)
    ]
    return [trial for _, trial in sorted(valued, key=lambda pair: (-pair[0], pair[1].number))]


def _curves(trials: Sequence[FrozenTrial], metric: str) -> go.Figure:
    shown, best = trials[:MOST_TRIALS], ranked(trials)[:1]
    figure = learning_curves(
        [_curve(trial) for trial in shown],
        metric,
        best[0].number if best else None,
        title=_title("Learning curves", len(trials), MOST_TRIALS),
    )
    figure.update_layout(margin={"t": _ABOVE_CURVES_PX})
    return figure


def _curve(trial: FrozenTrial) -> Curve:
    epochs = sorted(trial.intermediate_values)
    values = [trial.intermediate_values[epoch] for epoch in epochs]
    return Curve(trial.number, trial.state == TrialState.COMPLETE, epochs, values)


def _intervals(comparison: Comparison) -> go.Figure:
    return intervals(
        [
            Interval(f"trial {row.number}", row.accuracy, row.low, row.high, row.is_in_best_set)
            for row in comparison.rows[:MOST_INTERVALS]
        ],
        title=_title("Accuracies with 95 % intervals", len(comparison.rows), MOST_INTERVALS),
    )


def _title(what: str, n_trials: int, most: int) -> str:
    return what if n_trials <= most else f"{what}: the best {most} of {n_trials:,}"
