import json
from math import sqrt
from pathlib import Path

import pytest
import torch

from benchmarks import precision
from benchmarks.synthetic import mame_shaped
from mame_cnn.precision import choose_precision


def test_a_difference_is_held_against_the_larger_standard_error() -> None:
    # Deviations 0.1 and 0.2 of 4 seeds: errors 0.05 * sqrt(4/3) and twice that.
    float32, bfloat16 = [0.4, 0.6, 0.4, 0.6], [0.4, 0.8, 0.4, 0.8]
    compared = precision.compare(float32, bfloat16)
    assert compared["float32_error"] == pytest.approx(0.05 * sqrt(4 / 3))
    assert compared["bfloat16_error"] == pytest.approx(0.1 * sqrt(4 / 3))
    assert compared["difference"] == pytest.approx(0.1)
    assert compared["is_within"]
    # Pairs differ by 0, 0.2, 0, 0.2: as much as the first group's values among themselves.
    assert compared["paired_error"] == pytest.approx(0.05 * sqrt(4 / 3))
    assert not precision.compare(float32, [value + 0.12 for value in float32])["is_within"]


@pytest.mark.skipif(
    choose_precision("auto", torch.device("cpu")) != torch.bfloat16,
    reason="this processor has no bfloat16",
)
def test_every_seed_is_trained_in_both_precisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mame_shaped(16, torch.device("cpu"), n_train=64, n_val=29)
    monkeypatch.setattr(precision, "load_dataset", lambda source, image_size: made)
    path = tmp_path / "precision.json"
    assert precision.main(["--seeds", "2", "--epochs", "1", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert [(run["seed"], run["precision"]) for run in report["runs"]] == [
        (0, "float32"),
        (0, "bfloat16"),
        (1, "float32"),
        (1, "bfloat16"),
    ]
    assert [result["measure"] for result in report["results"]] == [*precision.MEASURES]
    means = [run["last epoch"] for run in report["runs"] if run["precision"] == "float32"]
    assert report["results"][1]["float32"] == pytest.approx(sum(means) / 2)
