import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.coverage import Scenario, made_up, main, simulate, verdicts


def test_made_up_trials_are_as_accurate_as_told_and_differ_less_when_correlated() -> None:
    random = np.random.default_rng(0)
    truths = np.array([[0.5, 0.7, 0.9]])
    alone, alike = (made_up(truths, 20_000, r, random)[0] for r in (0.0, 0.8))
    for is_right in (alone, alike):
        assert is_right.mean(1) == pytest.approx([0.5, 0.7, 0.9], abs=0.015)
    # Independent ones differ on 0.5 of the images, whatever the second one's accuracy.
    assert (alone[0] ^ alone[1]).mean() == pytest.approx(0.5, abs=0.015)
    assert (alike[0] ^ alike[1]).mean() < 0.35


def test_intervals_cover_and_the_corrected_score_is_not_flattered() -> None:
    found = simulate(Scenario(200, 0.5, 0.0, n_trials=20), n_studies=60, seed=0)
    assert found["is_single_covered"] == pytest.approx(0.95, abs=0.03)
    assert found["is_pair_covered"] == pytest.approx(0.95, abs=0.03)
    assert found["raw_bias"] > 0.03
    assert found["corrected_bias"] == pytest.approx(0, abs=0.012)
    assert found["is_best_kept"] >= 0.9


def test_a_broken_promise_is_said() -> None:
    kept = simulate(Scenario(100, 0.0, 0.0, n_trials=10), n_studies=2, seed=0)
    fine = {**kept, "is_single_covered": 0.95, "is_pair_covered": 0.94, "corrected_bias": 0.001}
    assert all("reached" in line for line in verdicts([fine])[:2])
    assert "missed" in verdicts([{**fine, "is_pair_covered": 0.93}])[0]
    assert "missed" in verdicts([{**fine, "corrected_bias": -0.004}])[1]


def test_the_table_is_written_beside_its_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "coverage.json"
    assert main(["--studies", "2", "--images", "30", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert [(one["n_images"], one["correlation"], one["spread"]) for one in report["results"]] == [
        (30, r, spread) for r in (0.0, 0.5, 0.8) for spread in (0.0, 0.02)
    ]
    assert "best kept" in capsys.readouterr().out
