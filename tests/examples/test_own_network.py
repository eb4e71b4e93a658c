"""The example of a network of one's own, as a program."""

from pathlib import Path

import pytest

from examples import own_network
from mame_cnn.evaluating.findings import Evaluated
from mame_cnn.explain import explain_runs
from mame_cnn.models.model import Model
from mame_cnn.models.opening import open_model


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluated]:
    folder = tmp_path_factory.mktemp("own")
    return folder, own_network.run(folder, trials=3, epochs=3)


def test_the_example_learns(done: tuple[Path, Evaluated]) -> None:
    _, evaluated = done
    assert evaluated.measured.scores.accuracy > 0.3, "one in ten is chance"


def test_what_it_trained_is_its_own_module(done: tuple[Path, Evaluated]) -> None:
    folder, _ = done
    model = open_model(folder / "trained")
    assert isinstance(model, Model)
    width = dict(model.config.network)["settings"]["width"]
    own = own_network.TwoPaths(1, 32, 10, width=width)
    names = {f"module.{name}" for name in own.state_dict() if "num_batches" not in name}
    assert set(model.state) == names


def test_it_can_be_explained(done: tuple[Path, Evaluated], tmp_path: Path) -> None:
    folder, _ = done
    explained = explain_runs([folder / "trained"], out=tmp_path / "why", device="cpu")
    assert (explained.folder / "explanation.html").is_file()
