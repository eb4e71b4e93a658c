"""From a trained run to a head on it, by the commands alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.configuration.config_file import read_config, write_config
from mame_cnn.configuration.pretrained import Pretrained, Trained
from mame_cnn.evaluate import main as evaluate
from mame_cnn.models.model_file import read_model
from mame_cnn.pretrained.__main__ import main
from mame_cnn.train import main as train
from tests.mame_cnn.factory import make_config
from tests.mame_cnn.pretrained.files import mobilenet, write_own, write_torchvision


def test_without_arguments_backbones_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "efficientnet_v2_s" in said
    assert "397923af" in said


def test_a_backbone_of_torchvision_becomes_a_configuration(tmp_path: Path) -> None:
    weights = tmp_path / "mobilenet_v2.pth"
    digits = write_torchvision(weights, mobilenet())
    out = tmp_path / "head.toml"
    options = ["--weights", str(weights), "--data", "digits", "--unfreeze", "5:4"]
    assert main(["mobilenet_v2", *options, "--out", str(out)]) == 0
    config, _ = read_config(out)
    network = config.network
    assert isinstance(network, Pretrained)
    assert not config.from_scratch
    assert network.sha256 == digits
    assert [(step.after_epochs, step.from_block) for step in network.unfreezing] == [(5, 4)]
    assert config.training.patience_on == "loss"


def test_a_run_is_moved_to_other_data_trained_and_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    before, moved = tmp_path / "before.toml", tmp_path / "moved.toml"
    write_config(before, make_config(epochs=1, batch_size=64, lr=1e-2), {})
    run = tmp_path / "run"
    common = ["--data", "digits", "--device", "cpu", "--quiet"]
    assert train([str(before), *common, "--out", str(run)]) == 0
    assert main([str(run), "--data", "digits", "--epochs", "2", "--out", str(moved)]) == 0
    network = read_config(moved)[0].network
    assert isinstance(network, Pretrained)
    assert isinstance(network.backbone, Trained)
    assert train([str(moved), *common, "--out", str(tmp_path / "after")]) == 0
    assert evaluate([str(tmp_path / "after"), "--data", "digits", "--quiet"]) == 0
    kept = read_model(tmp_path / "after" / "weights.safetensors")
    assert kept.config.network == network


def test_what_was_trained_on_validation_images_is_known_of_a_moved_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    before, moved = tmp_path / "before.toml", tmp_path / "moved.toml"
    write_config(before, make_config(epochs=1, batch_size=64, lr=1e-2), {})
    run, after = tmp_path / "run", tmp_path / "after"
    common = ["--data", "digits", "--device", "cpu", "--quiet"]
    assert train([str(before), *common, "--train-on-val", "--epochs", "1", "--out", str(run)]) == 0
    assert main([str(run), "--data", "digits", "--epochs", "1", "--out", str(moved)]) == 0
    assert "trained on the validation images of digits" in capsys.readouterr().out
    assert train([str(moved), *common[:-1], "--out", str(after)]) == 0
    assert "network.backbone: trained on these validation images" in capsys.readouterr().out
    kept = read_model(after / "weights.safetensors")
    assert kept.saw_val
    assert not replace(kept, data_digest="0123456789ab").saw_val
    assert evaluate([str(after), "--data", "digits"]) == 0
    assert "Far too good: these images were trained on" in capsys.readouterr().out
    card = (after / "evaluation" / "model_card.md").read_text()
    assert "Validation images were trained on" in card
    # At another size images have another digest, and the name of the data tells.
    small, larger = str(tmp_path / "16.toml"), tmp_path / "larger"
    assert main([str(run), "--image-size", "16", "--data", "digits", "--out", small]) == 0
    assert train([small, *common, "--epochs", "1", "--out", str(larger)]) == 0
    assert read_model(larger / "weights.safetensors").saw_val


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["vgg11", "--out", "x.toml"], "vgg11: expected the folder of a run"),
        (["vgg16"], "--out: missing"),
        (["vgg16", "--out", "nodir/x.toml"], "nodir/x.toml: there is no folder nodir"),
        (["densenet", "--out", "x.toml"], "one of vgg16, vgg19"),
        (["own.safetensors", "--weights", "x", "--out", "x.toml"], "--weights: belongs to"),
        (["own.safetensors", "--unfreeze", "1:3", "--out", "x.toml"], "has 2 blocks, got 3"),
        (["own.safetensors", "--unfreeze", "60:2", "--out", "x.toml"], "not before the last"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_own(Path("own.safetensors"))
    with pytest.raises(UserError, match=told):
        main([*arguments, "--data", "digits"])
    assert not Path("x.toml").exists()
