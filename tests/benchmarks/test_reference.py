import json
from pathlib import Path

import pytest

from benchmarks.reference import CHOSEN, WARNING, chosen, main, scaled
from commands.errors import UserError
from mame_cnn.data.load import load_dataset


def test_the_chosen_experiments_are_those_that_the_documents_are_held_beside() -> None:
    assert [reference.name for reference in chosen(CHOSEN)] == [
        *("mame-02", "mame-03", "mame-05", "mame-06", "mame-07", "mame-10", "mame-12"),
        *("painters-vgg", "painters-resnet29", "painters-mobilenetv2", "scenes-densenet-cut1"),
    ]


def test_names_that_there_are_not_and_ensembles_are_refused() -> None:
    with pytest.raises(UserError, match=r"mame-13, mame-99; there are mame-01, .*mame-12"):
        chosen(["mame-02", "mame-13", "mame-99"])


def test_only_images_and_epochs_change_and_late_beginnings_keep_their_share() -> None:
    seven, painter = chosen(["mame-07", "painters-vgg"])
    dataset = load_dataset("digits", 32)
    assert seven.config is not None
    assert painter.config is not None
    small = scaled(seven.config, dataset, 10)
    assert small.training.l1_after_epochs == 2  # 20 of 100
    assert small.network == seven.config.network
    assert small.training.optimizer == seven.config.training.optimizer
    assert (small.data.source, small.data.image_size) == ("digits", 32)
    assert small.data.normalisation == seven.config.data.normalisation
    schedule = scaled(painter.config, dataset, 25).training.schedule
    assert schedule.model_dump() == {"name": "exponential", "rate": 0.05, "after_epochs": 5}


def test_accuracies_stand_beside_the_documents_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    argv = ["--data", "digits", "--image-size", "16", "--epochs", "2", "--device", "cpu"]
    assert main([*argv, "--only", "mame-03", "mame-06", "--json", str(path)]) == 0
    assert WARNING in capsys.readouterr().out
    report = json.loads(path.read_text())
    three, six = report["results"]
    assert (three["name"], three["published"]) == ("mame-03", {"train": 0.9, "val": 0.61})
    assert len(three["history"]) == 2
    assert [three["train"], three["val"]] in three["history"]
    assert three["val"] > 0.3  # ten digits
    # One channel, a map of 1 pixel after four poolings: 160 + 4,640 + 18,496 + 73,856
    # + 480 of normalisation + 128 * 64 + 64 + 64 * 10 + 10.
    assert six["parameters"] == 106_538
    assert WARNING in report["notes"]


def test_an_experiment_that_images_are_too_small_for_is_a_row_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    argv = ["--data", "digits", "--image-size", "8", "--epochs", "1", "--device", "cpu"]
    assert main([*argv, "--only", "mame-06", "mame-02", "--json", str(path)]) == 0
    six, two = json.loads(path.read_text())["results"]
    assert "block 4: pooling by 2" in six["failure"]
    assert two["failure"] is None
