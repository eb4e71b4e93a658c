"""A comparison in words and tables: sentences, Markdown, CSV and a table for the terminal."""

import csv
import html
import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from search.comparing.comparison import Comparison, Pair, Row

_MOST_SHOWN = 12
"""Rows of the table on a terminal; a file gets all."""
_MOST_NAMED = 8
"""Trials of the best set that a sentence names."""
HEADINGS = (
    "rank",
    "study",
    "trial",
    "accuracy",
    "95 %",
    "to best",
    "paired 95 %",
    "p",
    "may be best",
)
READING = (
    "Accuracies are shares of the validation images, in %, with Wilson's interval.",
    "Differences are in points, with the paired interval of a bootstrap over images, which is not "
    "adjusted for the number of trials as p is.",
    "p: McNemar's exact test against the best on the same images, adjusted for the number of "
    "trials (Holm). With 95 % confidence the truly best trial is among those that may be best; "
    "the others are ruled out at 0.05. That one of them is worse than this very winner is less "
    "sure, since the same images chose it: of 50 equal trials one or more are ruled out in a "
    "third of studies.",
    "The corrected accuracy is what to expect of the chosen trial on other images: the choice is "
    "repeated on resamples and scored on the images that they leave out (Tsamardinos et al. "
    "2018). It does not correct for each trial's choice of its best epoch.",
    "Two studies are told apart where the interval corrected for both choices leaves out 0 and p "
    "is below 0.05; the first interval and p take no account of the choices. Each pair stands "
    "alone: of twenty pairs that are equal, one may be told apart.",
    "Images and seeds needed are for a chance of 80 % to find the difference at 0.05, if it is as "
    "large as it looks.",
    "All of it is about other images for the same networks; training again adds its own spread.",
)


def sentences(comparison: Comparison) -> list[str]:
    """Say what was found, most important first."""
    best, n = comparison.best, len(comparison.rows)
    found = [
        f"The best of {n} trials is {_name(best, comparison)}: {percent(best.accuracy)} of "
        f"{comparison.n_images:,} images "
        f"(95 % interval {_between(best.low, best.high)})."
    ]
    if n == 1:
        return [*found, "There is no other trial with predictions to compare it with."]
    found.append(
        f"Corrected for having been chosen among {n} it is {percent(comparison.corrected)} "
        f"({_between(comparison.corrected_low, comparison.corrected_high)}), "
        f"{abs(best.accuracy - comparison.corrected) * 100:.1f} points "
        f"{'less' if comparison.corrected <= best.accuracy else 'more'}."
    )
    found.append(_best_set(comparison))
    found.append(_needed(comparison))
    return found + [pair_sentence(pair) for pair in comparison.pairs]


def pair_sentence(pair: Pair) -> str:
    """Say whether a study did better than an earlier one."""
    if pair.is_better:
        verdict = f"{pair.later} did better than {pair.earlier}"
    elif pair.is_worse:
        verdict = f"{pair.later} did worse than {pair.earlier}"
    else:
        verdict = f"{pair.later} cannot be told from {pair.earlier}"
    return (
        f"{verdict}: best against best (trial {pair.later_best} of {pair.n_later}, trial "
        f"{pair.earlier_best} of {pair.n_earlier}) {points(pair.difference)} points "
        f"({points(pair.low)} to {points(pair.high)}, p = {p_value(pair.p_value)}); corrected "
        f"for both choices {points(pair.corrected)} "
        f"({points(pair.corrected_low)} to {points(pair.corrected_high)})."
    )


def to_markdown(comparison: Comparison) -> str:
    """Return the whole comparison as Markdown."""
    studies = dict.fromkeys(row.study for row in comparison.rows)
    lines = [f"# Comparison of {_marked(', '.join(studies))}", ""]
    lines += [f"- {_marked(sentence)}" for sentence in sentences(comparison)]
    lines += ["", f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for rank, row in enumerate(comparison.rows, start=1):
        lines.append(f"| {' | '.join(_marked(cell) for cell in _cells(rank, row))} |")
    if comparison.notes:
        lines += ["", "## Left out, and what else is to be known", ""]
        lines += [f"- {_marked(note)}" for note in comparison.notes]
    lines += ["", "## How to read this", "", *(f"- {_marked(line)}" for line in READING)]
    return "\n".join(lines) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Return the ranked trials as CSV: shares, not per cent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [
        "study",
        "number",
        "accuracy",
        "low",
        "high",
        "difference",
        "difference_low",
        "difference_high",
        "p_value",
        "is_in_best_set",
    ]
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in comparison.rows)
    return text.getvalue()


def show(comparison: Comparison, console: Console) -> None:
    """Print sentences, the first rows and the notes."""
    for sentence in sentences(comparison):
        console.print(sentence)
    shown = comparison.rows[:_MOST_SHOWN]
    cells = [_cells(rank, row) for rank, row in enumerate(shown, start=1)]
    skipped = {"rank", "may be best"}  # which order and p-value tell as well
    if len({row.study for row in comparison.rows}) == 1:
        skipped.add("study")
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption="p < 0.05: ruled out as the best; p is Holm's, adjusted for the number of trials",
    )
    columns = [column for column, heading in enumerate(HEADINGS) if heading not in skipped]
    for column in columns:
        is_study = HEADINGS[column] == "study"
        table.add_column(
            HEADINGS[column],
            justify="left" if is_study else "right",
            overflow="fold",
            min_width=None if is_study else max(len(row[column]) for row in cells),
        )
    for row in cells:
        table.add_row(*(row[column] for column in columns))
    console.print(table)
    if len(shown) < len(comparison.rows):
        console.print(f"and {len(comparison.rows) - len(shown)} more; --out FILE.md has them all")
    for note in comparison.notes:
        console.print(note)


def percent(share: float) -> str:
    """Write a share: `71.2 %`."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """Write a difference of shares in points, with its sign: `+1.2`."""
    return f"{100 * difference:+.1f}"


def p_value(value: float) -> str:
    """Write a p-value with as many digits as it deserves."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _cells(rank: int, row: Row) -> Sequence[str]:
    is_best = rank == 1
    return (
        str(rank),
        row.study,
        str(row.number),
        f"{100 * row.accuracy:.1f}",
        _between(row.low, row.high),
        "" if is_best else points(row.difference),
        "" if is_best else f"{points(row.difference_low)} to {points(row.difference_high)}",
        "" if is_best else p_value(row.p_value),
        "yes" if row.is_in_best_set else "no",
    )


def _best_set(comparison: Comparison) -> str:
    n, others = len(comparison.rows), comparison.best_set[1:]
    if not others:
        return f"No other may be the best: all {n - 1} are ruled out, by more than chance."
    named = ", ".join(_name(row, comparison) for row in others[:_MOST_NAMED])
    more = len(others) - _MOST_NAMED
    tail = f" and {more} more" if more > 0 else ""
    return (
        f"{len(others)} of {n - 1} others cannot be told from it and may be the best: "
        f"{named}{tail}."
    )


def _needed(comparison: Comparison) -> str:
    first, second = comparison.rows[:2]
    names = f"{_name(first, comparison)} and {_name(second, comparison)}"
    if comparison.images_needed is None or comparison.seeds_needed is None:
        return f"The first two, {names}, are equally accurate: no number of images tells them."
    assert comparison.discordance is not None, "the first two are known"
    return (
        f"The first two, {names}, are {100 * -second.difference:.2f} points apart and differ on "
        f"{percent(comparison.discordance)} of the images. To tell them apart takes "
        f"{_count(comparison.images_needed)} validation images, or "
        f"{_count(comparison.seeds_needed)} seeds of each."
    )


def _name(row: Row, comparison: Comparison) -> str:
    is_alone = len({other.study for other in comparison.rows}) == 1
    return f"trial {row.number}" if is_alone else f"{row.study} trial {row.number}"


def _count(number: int) -> str:
    """Write a number with two digits that mean something: `3,300,000`."""
    if number < 100:
        return str(number)
    unit = 10 ** (len(str(number)) - 2)
    return f"{-(-number // unit) * unit:,}"


def _between(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _marked(text: str) -> str:
    """Return text that Markdown and the HTML made of it show as it is."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("`", "\\`")
