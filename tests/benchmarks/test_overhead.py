import json
from pathlib import Path

import pytest

from benchmarks import overhead
from benchmarks.idle_trainer import Clock, Nap


def test_gaps_inside_a_trial_are_told_from_those_between_trials() -> None:
    # Two epochs, a millisecond between; then, five later, a trial of one; then, seven later, one.
    naps = [
        Nap(1, begin_s=0.000, end_s=0.010, processor_s=0.0),
        Nap(2, begin_s=0.011, end_s=0.020, processor_s=0.2),
        Nap(1, begin_s=0.025, end_s=0.030, processor_s=0.5),
        Nap(1, begin_s=0.037, end_s=0.040, processor_s=0.9),
    ]
    [inside], between = Clock(naps).between_epochs(), Clock(naps).between_trials()
    assert (inside.wall_s, inside.processor_s) == pytest.approx((0.001, 0.2))
    assert [gap.wall_s for gap in between] == pytest.approx([0.005, 0.007])
    assert [gap.processor_s for gap in between] == pytest.approx([0.3, 0.4])


def test_the_share_is_that_of_one_trial_and_all_but_one_of_its_epochs(tmp_path: Path) -> None:
    path = tmp_path / "overhead.json"
    command = ["--space", "spaces/dropout.py", "--trials-before", "1", "--trials", "2"]
    pace = ["--epochs", "2", "--trial-s", "0.01", "--displays", "lines", "live"]
    assert overhead.main([*command, *pace, "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert [result["display"] for result in report["results"]] == ["lines", "live"]
    for result in report["results"]:
        cost_s = (result["trial_ms"] + 1 * result["epoch_ms"]) / 1000
        assert result["trial_ms"] > 0
        assert result["share"] == pytest.approx(cost_s / 0.01)
    assert report["hardware"]["processor"]
