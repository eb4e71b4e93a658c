"""The script that searches are measured against: an honest one, and one that runs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import optuna
import pytest
import torch
from optuna.trial import TrialState
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.optuna_script import (
    OPTIMIZERS,
    Loader,
    main,
    make_optimizer,
    make_transform,
    train_epoch,
)
from benchmarks.plain_network import DEFAULTS, PlainNetwork
from benchmarks.watch import Watcher
from search.space.file import load_space
from tests.benchmarks.pictures import make_pictures

SPACE = """\
from search.space import Choice, Float, Int, Question, Space

SPACE = Space(
    title="Small",
    question=Question("none", "none", "none"),
    parameters=(
        Int("depth", {depth}, {depth}),
        Choice("width", (2, 4)),
        Float("rotation_degrees", 0.0, 30.0, step=10.0),
        Float("lr", 1e-4, 1e-2, log=True),
    ),
    fixed={{"pool_size": 4, "dense_depth": 0, "batch_size": 4}},
)
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for one another would make a busy machine take minutes."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def run(tmp_path: Path, *, depth: int) -> list[optuna.trial.FrozenTrial]:
    """Run three trials of two epochs in this process and return them."""
    space, journal = tmp_path / "small.py", tmp_path / "journal.log"
    space.write_text(SPACE.format(depth=depth))
    pictures = make_pictures(tmp_path / "pictures")
    options = ["--image-size", "16", "--epochs", "2", "--trials", "3", "--loader-workers", "0"]
    options += ["--device", "cpu", "--storage", str(journal), "--study", "small"]
    assert main([str(space), "--data", str(pictures), *options]) == 0
    return Watcher(journal, "small").trials()


def test_a_trial_reports_every_epoch_and_ends_with_the_last(tmp_path: Path) -> None:
    trials = run(tmp_path, depth=1)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    for trial in trials:
        assert trial.params.keys() == {"depth", "width", "rotation_degrees", "lr"}
        assert [*trial.intermediate_values] == [0, 1]
        assert trial.value == trial.intermediate_values[1]
        assert trial.value in [k / 8 for k in range(9)]  # of 8 validation images


def test_a_network_without_a_pixel_left_is_pruned_untrained(tmp_path: Path) -> None:
    trials = run(tmp_path, depth=3)
    assert [trial.state for trial in trials] == [TrialState.PRUNED] * 3
    assert not any(trial.intermediate_values for trial in trials)


def test_it_has_every_optimiser_of_the_spaces() -> None:
    rows = {row.name: row for row in load_space("spaces/everything.py").parameters}
    assert set(rows["optimizer"].grid() or ()) == OPTIMIZERS.keys()


def test_weight_decay_shrinks_kernels_and_nothing_else() -> None:
    params = {**DEFAULTS, "depth": 1, "width": 2, "optimizer": "sgd", "lr": 0.0}
    network = PlainNetwork(params, image_size=4, n_classes=2)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    images = TensorDataset(torch.rand(8, 3, 4, 4), torch.tensor([0, 1] * 4))
    loader = cast(Loader, DataLoader(images, batch_size=4))
    train_epoch(network, make_optimizer(network, params), 0.1, loader)
    kernels = {id(kernel) for kernel in network.kernels()}
    assert len(kernels) == 3
    for name, weight in network.named_parameters():
        factor = 0.9**2 if id(weight) in kernels else 1.0
        torch.testing.assert_close(weight, factor * before[name])


def test_momentum_is_of_sgd_alone() -> None:
    network = PlainNetwork(DEFAULTS, image_size=16, n_classes=2)
    params = {**DEFAULTS, "optimizer": "sgd", "momentum": 0.7}
    assert make_optimizer(network, params).defaults["momentum"] == 0.7
    assert "momentum" not in make_optimizer(network, {**params, "optimizer": "adam"}).defaults


@pytest.fixture
def image() -> Image.Image:
    column = torch.arange(16).mul(16).to(torch.uint8)
    return Image.fromarray(column.repeat(16, 1).unsqueeze(2).repeat(1, 1, 3).numpy())


def test_a_flip_mirrors_training_images_only(image: Image.Image) -> None:
    params = {**DEFAULTS, "flip_horizontal": 1.0}
    plain = make_transform(DEFAULTS, 16, is_train=True)(image)
    assert torch.equal(make_transform(params, 16, is_train=True)(image), plain.flip(2))
    assert torch.equal(make_transform(params, 16, is_train=False)(image), plain)


def test_a_shear_moves_columns_by_as_many_pixels_a_row_as_the_space_says() -> None:
    # Shear is an angle in torchvision: 45 degrees move a pixel for each row.
    transform = make_transform({**DEFAULTS, "shear_fraction": 1.0}, 16, is_train=True)
    [affine] = [step for step in transform.transforms if hasattr(step, "shear")]
    assert affine.shear == pytest.approx([-45.0, 45.0])


def test_distortions_that_are_off_cost_nothing() -> None:
    kinds = [type(step) for step in make_transform(DEFAULTS, 16, is_train=True).transforms]
    assert len(kinds) == 3
    assert not any(issubclass(kind, nn.Module) and "Random" in kind.__name__ for kind in kinds)


@pytest.mark.slow
def test_nothing_of_this_projects_networks_is_in_its_process() -> None:
    # Importing them sets the allocator and the threads, which no plain script has.
    program = "import sys, benchmarks.optuna_script; sys.exit('mame_cnn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
