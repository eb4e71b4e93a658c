"""The entry of a study as Markdown: five headings, each filled with what is known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.comparing.comparison_text import pair_sentence, sentences
from search.comparing.cost import duration, energy
from search.notebook.asked import Asked
from search.notebook.markdown import bullets, pairs, percent, plain, prose, table
from search.notebook.observations import observations
from search.notebook.outcome import Earlier
from search.space import wording
from search.studies import pins
from search.studies.methods import read_methods
from search.trials.reading import BEST_EPOCH, ENVIRONMENT, ranked

if TYPE_CHECKING:  # a study begins without any, and would import it for half a second
    from search.comparing.evidence import Evidence

_N_TOP = 5
"""Rows of the table of the best trials; the report has all."""
_N_IMPORTANT = 8
"""Parameters of the table of importance."""


@dataclass(frozen=True)
class Subject:
    """What an entry is about: what was known of the study before its first trial."""

    name: str
    asked: Asked
    pinned: Mapping[str, Any]
    """What it is pinned to and how it was searched, by attribute; a study begun elsewhere has
    neither."""
    earlier: tuple[Earlier, ...]
    """The studies that it builds on."""


def entry(
    subject: Subject, evidence: "Evidence | None", pictures: Mapping[str, str] | None = None
) -> str:
    """Return the entry without the person's own words.

    Args:
        evidence: None before the first trial.
        pictures: where the reader finds those of the best trial, by caption.
    """
    parts = {
        "Previous observed state": _previous(subject),
        "Current hypothesis": [prose(subject.asked.hypothesis) or "None was stated."],
        "Experimental set-up": list(_setup(subject)),
        "Experimental outcomes": list(_outcomes(evidence, pictures or {})),
        "Observations": list(observations(evidence)),
    }
    sections = [f"# {plain(subject.asked.title)}"]
    for heading, paragraphs in parts.items():
        sections += [f"## {heading}", *paragraphs]
    return "\n\n".join(sections)


def _previous(subject: Subject) -> list[str]:
    earlier = [f"{_experiment(one)}: {plain(one.outcome)}." for one in subject.earlier]
    said = prose(subject.asked.previous) or "None was stated."
    return [said, *([f"This builds on:\n\n{bullets(earlier)}"] if earlier else [])]


def _experiment(earlier: Earlier) -> str:
    number = "Study" if earlier.number is None else f"Experiment {plain(earlier.number)},"
    return f"{number} {plain(earlier.name)}"


def _setup(subject: Subject) -> Iterator[str]:
    asked, pinned = subject.asked, subject.pinned
    if asked.setup:
        yield prose(asked.setup)
    if not {pins.SPACE, pins.SPACE_DIGEST, pins.DATA, pins.OBJECTIVE} <= pinned.keys():
        yield "The study was not begun by search.run: its space, data and budget are not known."
        return
    space = pinned[pins.SPACE]
    yield table(
        ("parameter", "values", "exists", "source"),
        [
            (
                row["name"],
                wording.values(row),
                wording.existence(row),
                asked.sources.get(row["name"], ""),
            )
            for row in _in_order(space["parameters"], asked)
        ],
    )
    data, objective = pinned[pins.DATA], pinned[pins.OBJECTIVE]
    others = {name: value for name, value in objective.items() if name not in ("epochs", "seed")}
    yield bullets(
        [
            f"fixed: {pairs(space['fixed']) or 'nothing'}",
            *(f"tried first: {pairs(baseline)}" for baseline in asked.baselines),
            f"budget: at most {plain(objective.get('epochs'))} epochs a trial",
            f"data: {plain(data.get('name'))} ({plain(data.get('digest'))})",
            f"seeds: data and their order seed {plain(objective.get('seed'))}; each trial has its "
            "own, kept with it",
            *_methods(pinned),
            f"objective: {pairs(others)}",
            f"space: {plain(pinned[pins.SPACE_DIGEST])}",
        ]
    )


def _methods(attrs: Mapping[str, Any]) -> Iterator[str]:
    for place, used in enumerate(read_methods(attrs)):
        yield f"{'searched with' if place == 0 else 'and later with'}: {pairs(used)}"


def _in_order(rows: list[Mapping[str, Any]], asked: Asked) -> list[Mapping[str, Any]]:
    """Return the parameters as the space file has them, as far as that is known."""
    order = {name: place for place, name in enumerate(asked.sources)}
    return sorted(rows, key=lambda row: order.get(row["name"], len(order)))


def _outcomes(evidence: "Evidence | None", pictures: Mapping[str, str]) -> Iterator[str]:
    if evidence is None:
        yield "No trial has ended yet."
        return
    standing = evidence.standing
    trials = f"{standing.n_ended} trial{'' if standing.n_ended == 1 else 's'}"
    tally = (
        f"{trials}: {standing.n_complete} complete, {standing.n_pruned} pruned, "
        f"{standing.n_failed} failed."
    )
    if standing.n_running:
        tally += f" {standing.n_running} more still train."
    best = standing.best
    if best is None or best.value is None:
        yield f"{tally} None has a value."
        return
    yield (
        f"{tally} Best: trial {best.number} with {plain(evidence.metric)} {best.value:.4f} "
        f"at epoch {plain(best.user_attrs.get(BEST_EPOCH))}: {pairs(best.params)}."
    )
    if evidence.comparison is not None:
        compared = [*sentences(evidence.comparison), *map(pair_sentence, evidence.pairs)]
        yield bullets(map(plain, compared))
    left_out = evidence.comparison.notes if evidence.comparison is not None else ()
    for note in (*left_out, *evidence.notes):
        yield plain(note)
    yield from _top(evidence)
    yield from (f"![{plain(caption)}]({where})" for caption, where in pictures.items())
    yield from _importance(evidence)
    cost, used = evidence.cost, energy(evidence.cost)
    yield (
        f"Cost: {duration(cost.busy_s)}, {cost.n_epochs:,} epochs trained; pruning saved "
        f"{cost.n_epochs_saved:,} ({percent(cost.saved_fraction)})."
        + (f" Energy of the device: {used}." if used else "")
    )
    yield from _environments(evidence)


def _environments(evidence: "Evidence") -> Iterator[str]:
    found = (trial.user_attrs.get(ENVIRONMENT) for trial in evidence.trials)
    told = dict.fromkeys(pairs(one) for one in found if isinstance(one, Mapping) and one)
    if told:
        yield f"Computed with {'; '.join(told)}."


def _top(evidence: "Evidence") -> Iterator[str]:
    """Yield the table of the best trials; what all of them have stands before it."""
    rows = {row.number: row for row in evidence.comparison.rows} if evidence.comparison else {}
    best = ranked(evidence.trials)[:_N_TOP]
    shared = {
        name: value
        for name, value in best[0].params.items()
        if len(best) > 1 and all(trial.params.get(name) == value for trial in best)
    }
    if shared:
        yield f"All of the best {len(best)} have {pairs(shared)}. Where they differ:"
    yield table(
        ("trial", "parameters", evidence.metric, "95 % interval", "epoch"),
        [
            (
                trial.number,
                ", ".join(
                    f"{name} {wording.value(value)}"
                    for name, value in trial.params.items()
                    if name not in shared
                ),
                f"{trial.value:.4f}",
                f"{rows[trial.number].low:.4f} to {rows[trial.number].high:.4f}"
                if trial.number in rows
                else "-",
                trial.user_attrs.get(BEST_EPOCH, "-"),
            )
            for trial in best
        ],
        right=3,
    )


def _importance(evidence: "Evidence") -> Iterator[str]:
    found = evidence.importance
    yield f"Importance: {plain(found.message)}."
    if found.rows:
        yield table(
            ("parameter", "the best have", "share", "band", "p"),
            [
                (
                    row.name,
                    row.best,
                    f"{row.share:.2f}",
                    f"{row.low:.2f} to {row.high:.2f}",
                    f"{row.p_value:.2g}",
                )
                for row in found.rows[:_N_IMPORTANT]
            ],
            right=3,
        )
