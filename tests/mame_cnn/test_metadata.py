"""Networks that see the sizes of photographs beside their pixels, and those that do not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands.errors import UserError
from mame_cnn import evaluate, train
from mame_cnn.cohorts.cohort import Cohort
from mame_cnn.configuration.config_file import write_config
from mame_cnn.configuration.layered import Blocked
from mame_cnn.data.load import load_dataset
from mame_cnn.explaining.grad_cam import Explainer
from mame_cnn.families.layered import LayeredNetwork
from mame_cnn.families.network import build_network, n_parameters
from mame_cnn.inputs.device_data import DeviceData, DeviceSplit, with_validation
from mame_cnn.inputs.metadata_row import apart, with_row
from mame_cnn.models.model_file import read_model
from mame_cnn.models.onnx_export import export
from mame_cnn.seeds import generator
from mame_cnn.trials.trainer import ImageTrainer
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.factory import make_config, make_data
from tests.mame_cnn.families.small import IMAGE_SIZE, small
from tests.mame_cnn.small_models import make_images, make_model

CPU = torch.device("cpu")
BLUNT: dict[str, Any] = {"depth": 1, "width": 1, "head": "average", "dense_depth": 0, "lr": 0.1}
"""A network that cannot learn noise by heart."""
SEEING: dict[str, Any] = {**BLUNT, "metadata": "size"}


def telling_data() -> DeviceData:
    """Return images that tell nothing of their classes, and metadata that tell them."""
    data = make_data(n_train=64, n_val=32)

    def told(split: DeviceSplit) -> DeviceSplit:
        images = torch.randint(0, 256, split.images.shape, dtype=torch.uint8)
        return DeviceSplit(images, split.labels, torch.eye(3)[split.labels])

    torch.manual_seed(0)
    return replace(data, train=told(data.train), val=told(data.val))


def accuracies(data: DeviceData, n_epochs: int = 15, **params: Any) -> list[float]:
    cohort = Cohort([make_config(epochs=n_epochs, **params)], [0], data)
    return [cohort.train_epoch()[0].val_accuracy for _ in range(n_epochs)]


def test_a_row_carries_what_is_known_and_is_taken_off_again() -> None:
    images, known = torch.rand(4, 2, 8, 8), torch.rand(4, 3)

    carrying = with_row(images, known)
    of_members = torch.stack([carrying, carrying.flip(0)])

    assert carrying.shape == (4, 2, 9, 8)
    assert all(map(torch.equal, apart(carrying, 8, 3), (images, known)))
    assert torch.equal(apart(of_members, 8, 3)[1][1], known.flip(0))
    assert not apart(images, 8, 3)[1].any()


def test_metadata_are_seen_where_they_are_asked_for_alone() -> None:
    data = telling_data()

    assert accuracies(data, **SEEING)[-1] == 1
    assert max(accuracies(data, **BLUNT)) < 0.7


def test_nothing_changes_for_networks_that_do_not_see_them() -> None:
    data = telling_data()
    ignorant = replace(
        data,
        train=replace(data.train, metadata=None),
        val=replace(data.val, metadata=None),
    )

    assert accuracies(data, 3) == accuracies(ignorant, 3)


@pytest.mark.parametrize("family", ["plain", "vgg", "resnet", "mobilenet"])
def test_three_inputs_join_the_head_of_every_layered_family(family: str) -> None:
    params = {} if family == "plain" else small(family)
    config = make_config(image_size=IMAGE_SIZE, metadata="size", **params).network
    assert isinstance(config, Blocked)
    about = {"channels": 3, "image_size": IMAGE_SIZE, "n_classes": 5}
    network = build_network([config], **about).eval()
    assert isinstance(network, LayeredNetwork)
    network.initialise([generator(1, "weights")])
    images, known = torch.rand(2, 3, IMAGE_SIZE, IMAGE_SIZE), torch.rand(2, 3)

    without = n_parameters(config.model_copy(update={"metadata": "none"}), **about)
    first_width = config.dense[0].width if config.dense else 5

    assert n_parameters(config, **about) == without + 3 * first_width
    assert not torch.equal(network(with_row(images, known)), network(images))


def test_members_that_see_other_views_see_the_same_metadata_as_alone() -> None:
    data = telling_data()
    configs = [
        make_config(seed=seed, metadata="size", flip_horizontal=rate)
        for seed, rate in enumerate((0.0, 0.5), start=1)
    ]

    together = Cohort(configs, [0, 1], data)
    [first, second] = together.train_epoch()
    alone = [Cohort([config], [0], data).train_epoch()[0] for config in configs]

    assert first.train_loss == pytest.approx(alone[0].train_loss)
    assert second.train_loss == pytest.approx(alone[1].train_loss)
    assert second.val_loss == pytest.approx(alone[1].val_loss)


def test_training_on_validation_images_as_well_keeps_their_metadata() -> None:
    data = telling_data()

    joined = with_validation(data).train

    assert joined.metadata is not None
    assert torch.equal(joined.metadata.argmax(1), joined.labels)


def test_a_network_that_sees_metadata_is_not_asked_without() -> None:
    model = make_model(metadata="size")
    images, known = make_images(), np.zeros((6, 3), dtype=np.float32)

    with pytest.raises(UserError, match=r"network\.metadata: this network sees the sizes"):
        model.probs(images, CPU)
    with pytest.raises(UserError, match="which images alone do not tell"):
        Explainer(model, CPU)
    with pytest.raises(UserError, match="which images alone do not tell"):
        export(model, Path("model.onnx"))
    there = model.probs(images, CPU, metadata=known, views="flips")
    other = model.probs(images, CPU, metadata=known + 2, views="flips")
    assert np.abs(there - other).max() > 1e-3
    seen = make_model()
    assert (seen.probs(images, CPU) == seen.probs(images, CPU, metadata=known)).all()


def test_data_without_sizes_are_refused_by_training_and_search(tmp_path: Path) -> None:
    config = make_config(image_size=8, metadata="size")
    path = tmp_path / "config.toml"
    write_config(path, config, {})
    trainer = ImageTrainer(load_dataset("digits", 8), epochs=1, data_seed=0, device=CPU)

    with pytest.raises(UserError, match="Width and Height are not known of every image"):
        train.main([str(path), "--data", "digits", "--device", "cpu", "--quiet"])
    assert "Width and Height" in (trainer.infeasible({"metadata": "size", "depth": 1}) or "")
    assert trainer.infeasible({"depth": 1}) is None


def test_training_and_evaluation_agree_and_the_leak_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    counts = {split: {"bronze": 12, "clay": 12} for split in ("train", "val")}
    folder = Factory(tmp_path / "data").mame(counts)
    table = folder / "MAMe_metadata" / "MAMe_dataset.csv"
    lines = table.read_text().splitlines()
    told = [
        line.replace("3144.0,3840.0", "300,9000") if ",clay," in line else line for line in lines
    ]
    table.write_text("\n".join(told) + "\n")
    path, out = tmp_path / "config.toml", tmp_path / "out"
    write_config(path, make_config(image_size=8, epochs=12, **SEEING), {})
    fixed = ["--device", "cpu", "--precision", "float32"]

    assert train.main([str(path), "--data", str(folder), "--out", str(out), *fixed]) == 0
    assert "tell how a museum photographs" in capsys.readouterr().out
    assert evaluate.main([str(out), *fixed]) == 0

    trained = read_model(out / "weights.safetensors").metrics
    evaluated = json.loads((out / "evaluation" / "metrics.json").read_text())["scores"]
    assert trained["val_accuracy"] == evaluated["accuracy"]["value"] == 1
    assert trained["val_loss"] == pytest.approx(evaluated["log_loss"]["value"], rel=1e-4)
    assert (out / "museums.csv").read_text().splitlines()[1].startswith("Louvre,24,24,1.0")
