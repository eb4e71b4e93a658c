import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import cohort
from benchmarks.report import Result
from benchmarks.static_step import StaticStep
from benchmarks.synthetic import N_CLASSES, mame_shaped
from benchmarks.techniques import TECHNIQUES, measure
from commands.errors import UserError
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.inputs.device_data import to_device
from tests.mame_cnn.factory import make_config, make_data


def test_a_step_with_fixed_places_trains_as_the_project_does() -> None:
    # The step is what a CUDA graph repeats; here it is called, on other batches each time.
    params: dict[str, Any] = {"rotation_degrees": 20.0, "flip_horizontal": 0.5, "l1": 1e-3}
    configs = [make_config(seed=seed, **params) for seed in (1, 2)]
    plain, other = (Cohort(configs, [0, 1], make_data()) for _ in range(2))
    step = StaticStep(other)
    for _ in range(2):
        results = plain.train_epoch()
        step.begin()
        for number in range(step.n_steps):
            step.place(number)
            step()
        for own, result in zip(step.end(), results, strict=True):
            assert own == pytest.approx(
                [result.train_loss, result.train_accuracy, result.val_accuracy]
            )
    for name, tensor in plain.network.state_dict().items():
        torch.testing.assert_close(other.network.state_dict()[name], tensor, rtol=0, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.parametrize("technique", ["graph", "streams"])
def test_graphs_of_a_gpu_are_captured_and_repeated(technique: str) -> None:
    device = torch.device("cuda")
    data = to_device(mame_shaped(16, device, n_train=600, n_val=58), device)
    configs = [make_config(seed=seed, image_size=16) for seed in (1, 2)]
    result = measure(TECHNIQUES[technique], configs, data, n_epochs=2)
    assert result["failure"] is None


def test_made_images_are_of_mames_shape_and_the_same_each_time() -> None:
    first, second = (mame_shaped(16, torch.device("cpu"), n_train=600, n_val=58) for _ in range(2))
    assert first.train.images.shape == (600, 16, 16, 3)
    assert first.train.images.dtype == "uint8"
    assert (first.train.images == second.train.images).all()
    assert set(first.val.labels.tolist()) == set(range(N_CLASSES))
    assert (first.val.labels == second.val.labels).all()
    assert first.digest == second.digest


def test_ratios_are_to_one_network_in_the_same_setting() -> None:
    def result(technique: str, size: int, rate: float, image_size: int = 64) -> Result:
        setting = {"image_size": image_size, "experiment": "7", "batch_size": 128}
        return {
            **setting,
            "technique": technique,
            "size": size,
            "images_per_s": rate,
            "failure": None,
        }

    results = [
        result("float32", 1, 100),
        result("graph", 1, 200),
        result("float32", 4, 300),
        result("float32", 4, 30, image_size=32),
        {**result("graph", 4, 0), "failure": "OutOfMemoryError: too large"},
    ]
    cohort.add_ratios(results)
    assert [one.get("ratio") for one in results] == [1, 1, 3, None, None]
    assert [one.get("ratio_to_best") for one in results] == [0.5, 1, 1.5, None, None]


TOY = ["--images", "128", "--image-sizes", "16", "--epochs", "1", "--experiments", "7"]


def test_graphs_are_measured_in_processes_of_their_own_whatever_becomes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def of_a_child(*command: object) -> Result:
        asked.append(command)
        if "2" in map(str, command):
            raise UserError("python -m benchmarks.cohort: failed, as said above")
        return {"failure": None, "epoch_s": 1.0, "epochs_s": [1.0], "images_per_s": 9.0}

    monkeypatch.setattr(cohort, "measured", of_a_child)
    monkeypatch.setattr(cohort, "_lacking", lambda technique, device: None)
    path = tmp_path / "cohort.json"
    some = ["--techniques", "graph", "--sizes", "1", "2", "--device", "cpu", "--json", str(path)]
    assert cohort.main([*TOY, *some]) == 0
    results = json.loads(path.read_text())["results"]
    assert [one.get("images_per_s") for one in results] == [9.0, None]
    assert results[1]["failure"] == "python -m benchmarks.cohort: failed, as said above"
    # What a child is asked for is a command that measures one setting.
    monkeypatch.undo()
    module, *words = map(str, asked[0])
    assert module == "benchmarks.cohort"
    words[words.index("graph")] = "float32"
    assert cohort.main(words) == 0


def test_a_toy_run_says_what_a_cpu_cannot_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cohort.json"
    some = ["--techniques", "float32", "graph", "--sizes", "1", "2", "--device", "cpu"]
    study = ["--study", "--study-trials", "2", "--study-epochs", "1"]
    assert cohort.main([*TOY, *some, *study, "--json", str(path)]) == 0
    assert "graph: skipped, it needs a CUDA device" in capsys.readouterr().out
    report = json.loads(path.read_text())
    assert [(one["technique"], one["size"]) for one in report["results"]] == [
        ("float32", 1),
        ("float32", 2),
    ]
    for one in report["results"]:
        assert one["images_per_s"] == pytest.approx(one["size"] * 128 / one["epoch_s"])
    assert report["study"]["trials"] == 2
