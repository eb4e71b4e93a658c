"""The part of a report on parameters: which mattered, one by one, and all together."""

from collections.abc import Mapping
from typing import Any

from search.comparing.evidence import Evidence
from search.report import markup
from search.report.figures_of_evidence import Bar, importances
from search.report.figures_of_parameters import parallel_coordinates, slices
from search.report.page import Figures
from search.report.subject import Subject
from search.trials.reading import best_value, ranked


def parameters(subject: Subject, figures: Figures) -> str:
    """Return the part as HTML; nothing where no trial has a value."""
    evidence, rows = subject.evidence, _by_importance(subject)
    if not rows or not any(best_value(trial) is not None for trial in evidence.trials):
        return ""
    html = f"<h3>Which mattered</h3>{_importance(evidence, figures)}"
    html += markup.bullets(
        [
            *(f"{one.message[:1].upper()}{one.message[1:]}." for one in evidence.boundaries),
            *(
                f"{' and '.join(one.names)} depend on one another (p = {one.p_value:.2g}): "
                f"{one.message}"
                for one in evidence.interactions
            ),
        ]
    )
    html += "<h3>One by one</h3>"
    drawn = [figures.place(slices(evidence.trials, row, evidence.metric)) for row in rows]
    html += f'<div class="trio">{"".join(drawn)}</div>'
    html += (
        '<p class="muted">Filled: complete trials; hollow: pruned ones at their best epoch.</p>'
    )
    if len(ranked(evidence.trials)) > 1 and len(rows) > 1:
        html += "<h3>Together</h3>" + figures.place(
            parallel_coordinates(evidence.trials, rows),
            "A line is a complete trial, coloured by how good it is; a click on the legend hides "
            "a group. A line passes below a parameter that its trial does not have.",
            is_wide=len(rows) > 4,
        )
    return html


def _by_importance(subject: Subject) -> list[Mapping[str, Any]]:
    order = {row.name: place for place, row in enumerate(subject.evidence.importance.rows)}
    return sorted(subject.rows, key=lambda row: order.get(row["name"], len(order)))


def _importance(evidence: Evidence, figures: Figures) -> str:
    found = evidence.importance
    html = markup.paragraphs([f"{found.message[:1].upper()}{found.message[1:]}."])
    if not found.rows:
        return html
    bars = [Bar(row.name, row.share, row.low, row.high, row.is_above_chance) for row in found.rows]
    caption = "Lines are the stability bands; grey bars are not above chance."
    html += f'<div class="narrow">{figures.place(importances(bars), caption)}</div>'
    return html + markup.table(
        ("parameter", "the best have", "share", "band", "p", "trials"),
        [
            (
                row.name,
                row.best,
                f"{row.share:.2f}",
                f"{row.low:.2f} to {row.high:.2f}",
                f"{row.p_value:.2g}",
                row.n,
            )
            for row in found.rows
        ],
        right=4,
    )
