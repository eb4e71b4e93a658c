"""Which parameter sets the trials that a rule found apart from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from search.space import wording
from search.space.values import Value

P_BLAME = 0.05
"""Of blaming any parameter where none is to blame: shared among all tests (Bonferroni)."""
MIN_EACH = 3
"""Trials on either side, the fewest that a rank test can tell anything of."""

Labelled = Sequence[tuple[Mapping[str, Value], bool]]
"""Parameters of trials, and whether the rule found them."""


@dataclass(frozen=True)
class Blame:
    """A parameter whose values differ between the trials found and the others."""

    p_value: float
    message: str
    next_step: str


def blamed(trials: Labelled, space_json: Mapping[str, Any]) -> Blame | None:
    """Return the parameter that sets the trials found apart most clearly; None if none does.

    Ranges by the Mann-Whitney U test, options by Fisher's exact test of each against the rest.
    """
    rows = space_json["parameters"]
    n_tests = sum(len(row["options"]) if row["kind"] == "choice" else 1 for row in rows)
    candidates: list[Blame] = []
    for row in rows:
        name = row["name"]
        found = [params[name] for params, is_found in trials if is_found and name in params]
        others = [params[name] for params, is_found in trials if not is_found and name in params]
        if min(len(found), len(others)) >= MIN_EACH:
            ask = _options if row["kind"] == "choice" else _range
            candidates += ask(row, found, others)
    sure = [blame for blame in candidates if blame.p_value * n_tests < P_BLAME]
    return min(sure, key=lambda blame: blame.p_value, default=None)


def _range(row: Mapping[str, Any], found: Sequence[Any], others: Sequence[Any]) -> list[Blame]:
    numbers, rest = np.asarray(found, dtype=float), np.asarray(others, dtype=float)
    if len(np.unique(np.concatenate([numbers, rest]))) == 1:
        return []
    p_value = float(stats.mannwhitneyu(numbers, rest).pvalue)
    is_high = float(np.median(numbers)) > float(np.median(rest))
    cut = _cut(numbers, rest, is_high)
    name, where = row["name"], "at least" if is_high else "at most"
    n_found, n_rest = (int(np.sum(_beyond(side, cut, is_high))) for side in (numbers, rest))
    message = (
        f"{n_found} of these {len(numbers)} have {name} {where} {cut:.3g}, of the others "
        f"{n_rest} of {len(rest)} (range {wording.values(row)}, p = {p_value:.2g})"
    )
    step = (
        f"lower the upper end of {name} below"
        if is_high
        else f"raise the lower end of {name} above"
    )
    return [Blame(p_value, message, f"{step} {cut:.3g}")]


def _beyond(values: Any, cut: float, is_high: bool) -> Any:
    return values >= cut if is_high else values <= cut


def _cut(found: Any, others: Any, is_high: bool) -> float:
    """Return the bound that tells found from others best: most found, fewest others beyond it."""

    def merit(cut: float) -> float:
        beyond = (float(np.mean(_beyond(side, cut, is_high))) for side in (found, others))
        return next(beyond) - next(beyond)

    return float(max(sorted(set(found), reverse=not is_high), key=merit))


def _options(row: Mapping[str, Any], found: Sequence[Any], others: Sequence[Any]) -> list[Blame]:
    blames = []
    for option in row["options"]:
        chosen = wording.value(option)
        n_found, n_rest = found.count(option), others.count(option)
        table = [[n_found, len(found) - n_found], [n_rest, len(others) - n_rest]]
        p_value = float(stats.fisher_exact(table, alternative="greater").pvalue)
        message = (
            f"{n_found} of these {len(found)} have {row['name']} {chosen}, of the others "
            f"{n_rest} of {len(others)} (p = {p_value:.2g})"
        )
        blames.append(Blame(p_value, message, f"leave {chosen} out of {row['name']}"))
    return blames
