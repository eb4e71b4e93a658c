"""What the runs of the search benchmark come to: figures, tables, and whether goals are met."""

import math
from collections.abc import Iterable, Sequence
from statistics import mean, median, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.arms import ARMS
from benchmarks.best_so_far import mean_height, median_curve, seconds_to, value_at
from benchmarks.search_runs import Run

Summary = dict[str, Any]
"""Values that JSON has."""

FIRST_LEVEL, LEVEL_STEP = 60, 2  # percent
GOAL_SHARE = 0.2
"""Of the time, after which the defaults are to hold the level at which the script ends."""
GOAL_POINTS = 2.0


def summarise(runs: Sequence[Run], seconds: float) -> Summary:
    """Return the figures of each arm, and of the defaults against the script."""
    by_arm: dict[str, list[Run]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    levels = _levels(runs)
    return {
        "arms": {arm: _figures(own, seconds, levels) for arm, own in by_arm.items()},
        "against_script": {
            arm: _against(by_arm["script"], own, seconds)
            for arm, own in by_arm.items()
            if arm != "script" and "script" in by_arm
        },
    }


def _levels(runs: Sequence[Run]) -> list[float]:
    """Return the levels up to the highest that was reached."""
    best = max((run.curve[-1][1] for run in runs if run.curve), default=0.0)
    return [p / 100 for p in range(FIRST_LEVEL, 101, LEVEL_STEP) if p / 100 <= best]


def _figures(runs: Sequence[Run], seconds: float, levels: Sequence[float]) -> Summary:
    retrained = [mean(run.retrained) for run in runs if run.retrained]
    return {
        "n_seeds": len(runs),
        "end": _spread(value_at(run.curve, seconds) for run in runs),
        "mean_height": _spread(mean_height(run.curve, seconds) for run in runs),
        "n_complete": median(run.n_complete for run in runs),
        "n_pruned": median(run.n_pruned for run in runs),
        "n_refused": median(run.n_refused for run in runs),
        "n_epochs": median(run.n_epochs for run in runs),
        "first_seen_s": _finite(median(seconds_to(run.curve, 0.0) for run in runs)),
        "levels": [_level(runs, level) for level in levels],
        "retrained": {
            "median": median(retrained) if retrained else None,
            "mean": mean(retrained) if retrained else None,
            "std": stdev(retrained) if len(retrained) > 1 else None,
        },
    }


def _level(runs: Sequence[Run], level: float) -> Summary:
    times = [seconds_to(run.curve, level) for run in runs]
    n_reached = sum(math.isfinite(time) for time in times)
    return {"level": level, "median_s": _finite(median(times)), "n_reached": n_reached}


def _against(script: Sequence[Run], own: Sequence[Run], seconds: float) -> Summary:
    """Return when an arm's median curve holds the script's median end, and how far it gets."""
    end = median(value_at(run.curve, seconds) for run in script)
    own_end = median(value_at(run.curve, seconds) for run in own)
    reached_s = seconds_to(median_curve([run.curve for run in own]), end)
    return {
        "level": end,
        "reached_s": _finite(reached_s),
        "share_of_time": _finite(reached_s / seconds),
        "points_above": 100 * (own_end - end),
    }


def _spread(values: Iterable[float]) -> Summary:
    values = list(values)
    return {"median": median(values), "low": min(values), "high": max(values)}


def _finite(number: float) -> float | None:
    """Return the number as JSON has it: none for infinity."""
    return number if math.isfinite(number) else None


def show(summary: Summary) -> None:
    """Print the tables, and how the defaults do against the goals."""
    console = Console(highlight=False, markup=False)
    for arm in summary["arms"]:
        console.print(f"{arm}: {ARMS[arm].title}")
    console.print(_arms_table(summary["arms"]))
    console.print(_levels_table(summary["arms"]))
    for arm, figures in summary["against_script"].items():
        console.print(f"{arm}: {_verdict(figures)}", soft_wrap=True)
    if "defaults" in summary["against_script"]:
        console.print(
            f"goal for the defaults: after at most {GOAL_SHARE:.0%} of the time, "
            f"at least {GOAL_POINTS:g} points above",
            soft_wrap=True,
        )


def _arms_table(arms: Summary) -> Table:
    table = Table(
        title="accuracy in %, and counts: medians of the seeds",
        caption="in brackets the lowest and highest; of winners mean +- standard deviation",
    )
    table.add_column("")
    for arm in arms:
        table.add_column(arm, justify="right")
    figures = arms.values()
    table.add_row("best at the end", *(_range(one["end"]) for one in figures))
    table.add_row("mean over time", *(_range(one["mean_height"]) for one in figures))
    table.add_row("winner trained again", *(_mean(one["retrained"]) for one in figures))
    for name, count in (
        ("trials complete", "n_complete"),
        ("trials pruned", "n_pruned"),
        ("trials refused", "n_refused"),
        ("epochs", "n_epochs"),
    ):
        table.add_row(name, *(f"{one[count]:g}" for one in figures))
    return table


def _levels_table(arms: Summary) -> Table:
    table = Table(title="median seconds to a level (seeds)")
    table.add_column("level", justify="right")
    for arm in arms:
        table.add_column(arm, justify="right")
    for row in zip(*(one["levels"] for one in arms.values()), strict=True):
        cells = [
            f"{_seconds(one['median_s'])} ({one['n_reached']})" if one["n_reached"] else "-"
            for one in row
        ]
        table.add_row(f"{row[0]['level']:.0%}", *cells)
    return table


def _verdict(figures: Summary) -> str:
    """Say how an arm does against the script, in one line."""
    level, share = f"{figures['level']:.1%}", figures["share_of_time"]
    when = f"after {share:.0%} of the time" if share is not None else "never"
    return (
        f"holds the script's median end of {level} {when}, "
        f"ends {figures['points_above']:+.1f} points from it"
    )


def _range(spread: Summary) -> str:
    middle, low, high = (f"{100 * spread[name]:.1f}" for name in ("median", "low", "high"))
    return f"{middle} ({low}-{high})"


def _mean(retrained: Summary) -> str:
    if retrained["mean"] is None:
        return "-"
    std = f" +- {100 * retrained['std']:.1f}" if retrained["std"] is not None else ""
    return f"{100 * retrained['mean']:.1f}{std}"


def _seconds(number: float | None) -> str:
    return "never" if number is None else f"{number:,.0f}"
