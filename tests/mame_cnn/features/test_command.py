"""The one command, from a network to a folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commands.errors import UserError
from mame_cnn.data.load import load_dataset
from mame_cnn.features.__main__ import main
from mame_cnn.features.run_folder import read_features_config
from mame_cnn.models.model_file import write_model
from mame_cnn.scoring.probabilities_file import read_probabilities
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.features.made_up import run_of
from tests.mame_cnn.pretrained.files import mobilenet, write_torchvision
from tests.mame_cnn.small_models import make_model

QUICK = ["--data", "digits", "--device", "cpu", "--trees", "10"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    run_of(tmp_path / "run")


def test_one_command_extracts_fits_and_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *QUICK, "--out", "out"]) == 0

    val = load_dataset("digits", 16).val
    probs = read_probabilities(
        Path("out/val_probabilities.csv"), val.labels, val.names, tuple("0123456789")
    )
    accuracy = float((probs.argmax(1) == val.labels).mean())
    metrics = json.loads(Path("out/metrics.json").read_text())
    layers = pd.read_csv("out/layers.csv")
    assert metrics["val"]["accuracy"] == pytest.approx(accuracy)
    assert accuracy > 0.5  # ten digits, and a network that was never trained
    assert metrics["n_features"] == layers["n_features"].sum() == 4 + 8 + 5
    assert layers["importance"].sum() == pytest.approx(1)
    assert {path.name for path in Path("out").iterdir()} == {
        *("config.toml", "metrics.json", "layers.csv", "val_probabilities.csv"),
        *("classification_report.csv", "confusion_matrix.csv"),
    }
    assert f"validation accuracy {accuracy:.1%}" in capsys.readouterr().out


def test_what_it_kept_makes_the_same_classifier_again() -> None:
    main(["run", *QUICK, "--out", "first", "--discretise", "--layers", "last", "fc1"])
    config, provenance = read_features_config(Path("first/config.toml"))

    main(["first/config.toml", "--out", "second", "--quiet", "--device", "cpu"])

    again, _ = read_features_config(Path("second/config.toml"))
    assert again == config
    assert config.thresholds == (-0.25, 0.15)
    assert config.layers == ("last", "fc1")
    assert provenance["features"]["data_name"] == "digits"
    first, second = (pd.read_csv(f"{name}/val_probabilities.csv") for name in ("first", "second"))
    pd.testing.assert_frame_equal(first, second)


def test_runs_are_numbered_and_nothing_is_overwritten() -> None:
    for _ in range(2):
        main(["run", *QUICK, "--quiet"])

    assert sorted(path.name for path in Path("studies/features").iterdir()) == [
        *("run-01", "run-02")
    ]
    with pytest.raises(UserError, match="exists and is not empty"):
        main(["run", *QUICK, "--out", "run"])


def test_a_backbone_s_file_does_as_well_and_it_is_said_that_others_trained_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_torchvision(Path("mobilenet.pth"), mobilenet())
    weights = ["--weights", "mobilenet.pth", "--image-size", "32", "--layers", "block_ends"]

    assert main(["mobilenet_v2", *QUICK, *weights, "--out", "out"]) == 0

    assert "none of a task from scratch" in capsys.readouterr().out
    assert len(pd.read_csv("out/layers.csv")) == 5


def test_layers_are_listed_without_any_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--list-layers", "--data", "nowhere"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["block1_conv1", "block2_conv1", "fc1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--layers", "block3_conv1"], "did you mean block2_conv1 or block1_conv1"),
        (["run", "--classifier", "svm", "--trees", "9"], "only where classifier is forest"),
        (["run", "--c", "-1", "--classifier", "svm"], "c: input should be greater than 0, got -1"),
        (["run", "--image-size", "32"], "takes no others"),
        (["nothing"], "neither a trained network"),
        (["config.toml"], "config.toml: no such file"),
        (["run", "--neighbours", "2000", "--classifier", "neighbours"], "of 1197 training images"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main([*arguments, "--data", "digits", "--device", "cpu", "--quiet", "--out", "out"])

    assert not Path("out").exists()
    assert not list(Path().glob(".unfinished*"))


def test_a_file_says_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", *QUICK, "--out", "first", "--quiet"])

    with pytest.raises(UserError, match=r"--trees, --layers: .* says that already"):
        main(["first/config.toml", "--trees", "5", "--layers", "last"])


def test_a_damaged_configuration_is_refused_with_every_fault() -> None:
    main(["run", *QUICK, "--out", "first", "--quiet"])
    path = Path("first/config.toml")
    path.write_text(path.read_text().replace("trees = 10", "trees = 0\nleaves = 3"))

    with pytest.raises(UserError) as raised:
        main([str(path)])

    assert "classifier.forest.trees: input should be greater than or equal to 1, got 0" in str(
        raised.value
    )
    assert "leaves: no such field" in str(raised.value)


def test_results_by_museum_are_kept_where_the_data_name_museums(tmp_path: Path) -> None:
    counts = {split: {"bronze": 6, "clay": 6} for split in ("train", "val")}
    folder = Factory(tmp_path / "data").mame(counts)

    main(["run", *QUICK[2:], "--data", str(folder), "--out", "out", "--quiet"])

    museums = pd.read_csv("out/museums.csv")
    assert museums[["museum", "images"]].to_numpy().tolist() == [["Louvre", 12]]
    assert np.isfinite(museums["expected"]).all()


def sized(folder: Path) -> Path:
    """Let the photographs' sizes, and nothing else, tell the classes apart."""
    table = folder / "MAMe_metadata" / "MAMe_dataset.csv"
    lines = table.read_text().splitlines()
    told = [
        line.replace("3144.0,3840.0", "500,1000") if ",bronze," in line else line for line in lines
    ]
    table.write_text("\n".join(told) + "\n")
    return folder


def test_metadata_are_seen_only_if_asked_for_and_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {split: {"bronze": 12, "clay": 12} for split in ("train", "val")}
    folder = str(sized(Factory(tmp_path / "data").mame(counts)))
    data = ["--data", folder, "--device", "cpu", "--classifier", "logistic"]

    main(["run", *data, "--out", "without"])
    assert "museum" not in capsys.readouterr().out
    main(["run", *data, "--metadata", "size", "--out", "with"])

    assert "tell how a museum photographs" in capsys.readouterr().out.replace("\n", " ")
    without, with_ = (
        json.loads(Path(name, "metrics.json").read_text()) for name in ("without", "with")
    )
    assert without["val"]["accuracy"] < 1
    assert with_["val"]["accuracy"] == 1
    assert with_["n_features"] == without["n_features"] + 3


def test_metadata_that_the_data_do_not_have_are_refused() -> None:
    with pytest.raises(UserError, match="Width and Height are not known of every image"):
        main(["run", *QUICK, "--metadata", "size", "--out", "out"])
    assert not Path("out").exists()


def test_a_network_that_was_trained_on_these_validation_images_is_refused(tmp_path: Path) -> None:
    made = make_model(image_size=16, classes=tuple("0123456789"))
    saw = replace(
        made,
        data_name="digits",
        data_digest=load_dataset("digits", 16).digest,
        provenance={"training": {"splits": "train+val"}},
    )
    write_model(tmp_path / "saw.safetensors", saw)

    with pytest.raises(UserError, match="trained on the validation images of digits"):
        main(["saw.safetensors", *QUICK, "--quiet", "--out", "out"])

    assert not Path("out").exists()
    write_model(tmp_path / "elsewhere.safetensors", replace(saw, data_digest="0123456789ab"))
    assert main(["elsewhere.safetensors", *QUICK, "--quiet", "--out", "out"]) == 0
