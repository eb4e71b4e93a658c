"""What a report says, part by part: evidence in, sections of the page out."""

import numpy as np

from search.comparing.comparison_text import READING, pair_sentence, sentences
from search.comparing.cost import duration, energy
from search.notebook.outcome import is_of
from search.report import markup
from search.report.data import data
from search.report.figures import Curve, learning_curves, optimisation_history
from search.report.figures_of_evidence import (
    Interval,
    confusion_matrix,
    intervals,
)
from search.report.page import Figures, Section
from search.report.parameters import parameters
from search.report.subject import Subject
from search.space import wording
from search.trials.reading import BEST_EPOCH, best_value, ranked

_N_INTERVALS = 25
"""Trials in the figure of intervals; the table has all."""
_CURVES = {
    "value": "validation accuracy",
    "train_accuracy": "training accuracy",
    "val_loss": "validation loss",
    "train_loss": "training loss",
}
"""Columns of histories that are drawn, in this order; the first has the metric's name."""


def sections(subject: Subject, figures: Figures) -> list[Section]:
    """Return all parts that there is something to say in."""
    parts = [
        ("Overview", "overview", _overview(subject)),
        ("Notebook", "notebook", f'<div class="entry">{markup.markdown(subject.entry)}</div>'),
        ("Data", "data", data(subject, figures)),
        ("Course of the search", "history", _history(subject, figures)),
        ("Learning curves", "curves", _curves(subject, figures)),
        ("Diagnosis", "diagnosis", _diagnosis(subject)),
        ("Comparison", "comparison", _comparison(subject, figures)),
        ("Parameters", "parameters", parameters(subject, figures)),
        ("Confusions of the best", "confusions", _confusions(subject, figures)),
        ("Cost", "cost", _cost(subject)),
        ("All trials", "trials", _trials(subject)),
    ]
    return [Section(heading, anchor, html) for heading, anchor, html in parts if html]


def _overview(subject: Subject) -> str:
    evidence = subject.evidence
    standing, comparison, best = evidence.standing, evidence.comparison, evidence.standing.best
    tiles = {"trials ended": str(standing.n_ended)}
    if best is not None and best.value is not None:
        tiles[f"best {evidence.metric}: trial {best.number}"] = f"{100 * best.value:.1f} %"
    if comparison is not None:
        row, n_best = comparison.best, len(comparison.best_set)
        is_other = best is not None and not is_of(row, best)
        which = f"trial {row.number}, the best with predictions" if is_other else "the best"
        tiles[f"95 % interval of {which}"] = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        tiles[f"{which}, corrected for having been chosen"] = f"{100 * comparison.corrected:.1f} %"
        tiles["trials not told from the best"] = f"{n_best} of {len(comparison.rows)}"
    tiles["time in training"] = duration(evidence.cost.busy_s)
    if evidence.cost.n_epochs_saved:
        tiles["of all epochs saved by pruning"] = f"{100 * evidence.cost.saved_fraction:.0f} %"
    if best is None:
        return markup.tiles(tiles) + markup.paragraphs(
            ["No trial is complete yet, so there is nothing to compare."]
        )
    return markup.tiles(tiles)


def _history(subject: Subject, figures: Figures) -> str:
    evidence = subject.evidence
    if not any(best_value(trial) is not None for trial in evidence.trials):
        return ""
    return figures.place(
        optimisation_history(evidence.trials, evidence.metric),
        "Each trial's value in the order in which they were begun. A pruned trial stands at the "
        "best epoch that it reached.",
    )


def _curves(subject: Subject, figures: Figures) -> str:
    evidence = subject.evidence
    best = evidence.standing.best
    number = None if best is None else best.number
    found = []
    for column, name in _CURVES.items():
        curves = [
            Curve(history.number, history.is_complete, history.epochs, values)
            for history in evidence.histories
            if (values := history.column(column)) and history.epochs
        ]
        if curves:
            label = evidence.metric if column == "value" else name
            found.append(figures.place(learning_curves(curves, label, number)))
    if not found:
        return ""
    caption = (
        "A line is a trial; the faint ones were pruned or failed. The buttons make an axis "
        "logarithmic; a click on the legend hides a kind."
    )
    return f'<div class="pair">{"".join(found)}</div><p class="muted">{caption}</p>'


def _diagnosis(subject: Subject) -> str:
    evidence = subject.evidence
    if not evidence.findings and not evidence.trial_findings:
        return ""
    html = markup.findings(evidence.findings) or markup.paragraphs(
        ["The rules find nothing that many trials share."]
    )
    told = [
        f"<h3>Trial {trial.number}</h3>{markup.findings(evidence.trial_findings[trial.number])}"
        for trial in ranked(evidence.trials)
        if trial.number in evidence.trial_findings
    ]
    if told:
        html += markup.folded(
            f"Findings of the best {len(told)} trials", "".join(told), is_long=True
        )
    return html


def _comparison(subject: Subject, figures: Figures) -> str:
    comparison = subject.evidence.comparison
    if comparison is None:
        return markup.paragraphs(subject.evidence.notes)
    rows = [
        Interval(f"trial {row.number}", row.accuracy, row.low, row.high, row.is_in_best_set)
        for row in comparison.rows[:_N_INTERVALS]
    ]
    found = [*sentences(comparison), *map(pair_sentence, subject.evidence.pairs)]
    html = markup.bullets(found)
    caption = f"The best {len(rows)} of {len(comparison.rows)} trials."
    html += f'<div class="narrow">{figures.place(intervals(rows), caption)}</div>'
    table = markup.table(
        ("trial", "accuracy", "95 % interval", "to the best", "paired 95 %", "p (Holm)", ""),
        [
            (
                row.number,
                f"{row.accuracy:.4f}",
                f"{row.low:.4f} to {row.high:.4f}",
                f"{row.difference:+.4f}",
                f"{row.difference_low:+.4f} to {row.difference_high:+.4f}",
                f"{row.p_value:.2g}",
                "not told from the best" if row.is_in_best_set else "",
            )
            for row in comparison.rows
        ],
        right=6,
    )
    html += markup.folded(f"All {len(comparison.rows)} compared trials", table, is_long=True)
    html += markup.folded("How to read this", markup.bullets(READING))
    return html + markup.paragraphs([*comparison.notes, *subject.evidence.notes])


def _confusions(subject: Subject, figures: Figures) -> str:
    predictions = subject.evidence.best_predictions
    if predictions is None:
        return ""
    n_classes = predictions.probs.shape[1]
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (predictions.labels, predictions.probs.argmax(1)), 1)
    classes = list(subject.classes)
    if len(classes) != n_classes:
        classes = [f"class {number}" for number in range(n_classes)]
    figure = figures.place(
        confusion_matrix(counts, classes),
        f"{counts.sum():,} validation images. Colour is the share of the true class, by its "
        "square root; numbers are images.",
        is_wide=n_classes > 8,
    )
    worst = sorted(
        ((int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j),
        reverse=True,
    )[:8]
    table = markup.table(
        ("true class", "taken for", "images", "of the class"),
        [(classes[i], classes[j], n, f"{100 * n / counts[i].sum():.0f} %") for n, i, j in worst],
        right=2,
    )
    return f'<div class="narrow">{figure}</div>' + (
        "<h3>Most confused</h3>" + table if worst else ""
    )


def _cost(subject: Subject) -> str:
    cost = subject.evidence.cost
    tiles = {
        "with a trial in training": duration(cost.busy_s),
        "of all trials added up": duration(cost.trial_s),
        "epochs trained": f"{cost.n_epochs:,}",
        "epochs saved by pruning": f"{cost.n_epochs_saved:,}",
    }
    notes = [
        "The first is the time on the clock without pauses between runs. What trials had trained "
        "when their process died is in neither time."
    ]
    if used := energy(cost):
        tiles["energy of the device"] = used
        notes.append("Energy is what the device used during epochs, for whatever ran on it.")
    return markup.tiles(tiles) + markup.paragraphs([" ".join(notes)])


def _trials(subject: Subject) -> str:
    evidence = subject.evidence
    order = {trial.number: place for place, trial in enumerate(ranked(evidence.trials))}
    trials = sorted(
        evidence.trials,
        key=lambda trial: (order.get(trial.number, len(order)), -(best_value(trial) or 0.0)),
    )
    names = [row["name"] for row in subject.rows] or sorted(
        {name for trial in trials for name in trial.params}
    )
    table = markup.table(
        ("trial", "state", "value", "epoch", "epochs", *names),
        [
            (
                trial.number,
                trial.state.name.lower(),
                "-" if (value := best_value(trial)) is None else f"{value:.4f}",
                trial.user_attrs.get(BEST_EPOCH, "-"),
                max(trial.intermediate_values, default=0),
                *(wording.value(trial.params.get(name, "")) for name in names),
            )
            for trial in trials
        ],
        right=3 + len(names),
    )
    return markup.folded(f"Table of {len(trials)} trials", table, is_long=True)
