"""Figures of the search benchmark from hand-made runs."""

import json
from typing import Any

import pytest

from benchmarks.best_so_far import Curve
from benchmarks.search_runs import Run
from benchmarks.search_summary import show, summarise


def make_run(arm: str, seed: int, curve: Curve, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "n_epochs": 10 * (seed + 1),
        "n_complete": seed,
        "n_pruned": 2,
        "n_refused": 0,
        "winner": {"lr": 0.1},
        "retrained": (0.5, 0.7),
    }
    return Run(arm=arm, seed=seed, curve=curve, **{**fields, **changes})


RUNS = [
    make_run("script", 0, ((10.0, 0.5), (90.0, 0.625))),
    make_run("script", 1, ((20.0, 0.75),)),
    make_run("script", 2, ((30.0, 0.25),), retrained=(0.2, 0.2)),
    make_run("defaults", 0, ((5.0, 0.625),)),
    make_run("defaults", 1, ((15.0, 0.5), (40.0, 0.75))),
    make_run("defaults", 2, ((25.0, 0.875),)),
]
SUMMARY = summarise(RUNS, 100.0)


def test_an_arm_ends_at_the_median_of_its_seeds() -> None:
    assert SUMMARY["arms"]["script"]["end"] == {"median": 0.625, "low": 0.25, "high": 0.75}
    assert SUMMARY["arms"]["defaults"]["end"] == {"median": 0.75, "low": 0.625, "high": 0.875}


def test_the_mean_over_time_counts_what_came_late() -> None:
    heights = [0.80 * 0.5 + 0.10 * 0.625, 0.80 * 0.75, 0.70 * 0.25]
    spread = SUMMARY["arms"]["script"]["mean_height"]
    assert spread["median"] == pytest.approx(sorted(heights)[1])
    assert spread["low"] == pytest.approx(min(heights))


def test_levels_rise_by_two_points_to_the_best_of_all_arms() -> None:
    levels = [row["level"] for row in SUMMARY["arms"]["script"]["levels"]]
    assert levels == [k / 100 for k in range(60, 88, 2)]


def test_a_level_is_told_with_its_median_time_and_how_many_reached_it() -> None:
    of_script, of_defaults = (
        {row["level"]: row for row in SUMMARY["arms"][arm]["levels"]}
        for arm in ("script", "defaults")
    )
    assert of_script[0.62] == {"level": 0.62, "median_s": 90.0, "n_reached": 2}
    assert of_script[0.7] == {"level": 0.7, "median_s": None, "n_reached": 1}
    assert of_defaults[0.7] == {"level": 0.7, "median_s": 40.0, "n_reached": 2}


def test_the_defaults_are_held_against_the_scripts_median_end() -> None:
    # At 25 s the defaults' seeds stand at 0.625, 0.5 and 0.875: the script's 0.625 is reached.
    assert SUMMARY["against_script"]["defaults"] == {
        "level": 0.625,
        "reached_s": 25.0,
        "share_of_time": 0.25,
        "points_above": pytest.approx(12.5),
    }


def test_winners_count_by_the_mean_of_their_retrainings() -> None:
    retrained = SUMMARY["arms"]["script"]["retrained"]
    assert retrained["mean"] == pytest.approx((0.6 + 0.6 + 0.2) / 3)
    assert retrained["median"] == pytest.approx(0.6)


def test_a_run_that_saw_nothing_counts_as_nothing() -> None:
    nothing = make_run("random", 0, (), winner={}, retrained=())
    figures = summarise([nothing, *RUNS], 100.0)
    assert figures["arms"]["random"]["end"]["median"] == 0.0
    assert figures["arms"]["random"]["retrained"]["mean"] is None
    assert figures["against_script"]["random"]["reached_s"] is None


def test_everything_is_json_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    json.dumps(SUMMARY, allow_nan=False)
    show(SUMMARY)
    shown = capsys.readouterr().out
    assert "62.5 (25.0-75.0)" in shown
    assert "holds the script's median end of 62.5% after 25% of the time" in shown
    assert "ends +12.5 points from it" in shown
