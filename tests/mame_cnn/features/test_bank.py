from pathlib import Path

import numpy as np
import pytest
import torch

from commands.errors import UserError
from mame_cnn.data.dataset import Dataset
from mame_cnn.data.load import load_dataset
from mame_cnn.features import bank as bank_module
from mame_cnn.features.bank import open_bank
from mame_cnn.features.looker import Looker, look_with
from tests.mame_cnn.features.made_up import CPU
from tests.mame_cnn.small_models import make_model


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset("digits", 16)


@pytest.fixture
def looker() -> Looker:
    model = make_model(image_size=16, depth=2, width=4, dense_width=5, batch_norm="before")
    return look_with(model, "toy", CPU)


def test_features_are_the_means_over_the_places_of_each_map(
    looker: Looker, dataset: Dataset, tmp_path: Path
) -> None:
    bank = open_bank(looker, dataset, looker.layers, cache=tmp_path)

    # The same by hooks on the modules, image by image.
    taken: dict[str, torch.Tensor] = {}
    for layer in looker.layers:
        module = looker.network.get_submodule(layer.output)
        module.register_forward_hook(
            lambda _, __, output, name=layer.name: taken.__setitem__(name, output)
        )
    for index in (0, 1, 299):
        image = torch.from_numpy(np.array(dataset.val.images[index : index + 1]))
        with torch.inference_mode():
            looker.network(looker.shown(image))
        expected = torch.cat(
            [taken[layer.name].flatten(2).mean(2)[0] for layer in looker.layers[:2]]
        )
        dense = taken["fc1"].flatten()
        np.testing.assert_allclose(
            bank.val[index], torch.cat([expected, dense]).numpy(), rtol=1e-4, atol=1e-5
        )
    assert bank.train.shape == (len(dataset.train.labels), 4 + 8 + 5)


def test_how_many_images_are_shown_at_once_makes_no_difference(
    looker: Looker, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_bank(looker, dataset, looker.layers, cache=tmp_path / "one")
    monkeypatch.setattr(bank_module, "_MOST_BYTES", 2**18)

    parts = open_bank(looker, dataset, looker.layers, cache=tmp_path / "two")

    np.testing.assert_allclose(whole.train, parts.train, rtol=1e-4, atol=1e-5)


def test_features_are_computed_once_for_a_network_and_data(
    looker: Looker, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_bank(looker, dataset, looker.layers, cache=tmp_path)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(bank_module, "_features", never)
    again = open_bank(looker, dataset, looker.layers, cache=tmp_path)
    last = open_bank(looker, dataset, looker.layers[1:2], cache=tmp_path)

    assert isinstance(again.train, np.memmap)
    np.testing.assert_array_equal(again.train, whole.train)
    np.testing.assert_array_equal(last.of(looker.layers[1:2])[0], whole.train[:, 4:12])
    other = look_with(make_model(image_size=16, seed=2), "other", CPU)
    with pytest.raises(AssertionError):
        open_bank(other, dataset, other.layers, cache=tmp_path)


def test_only_the_wanted_layers_are_computed(
    looker: Looker, dataset: Dataset, tmp_path: Path
) -> None:
    bank = open_bank(looker, dataset, looker.layers[:1], cache=tmp_path)

    assert bank.train.shape[1] == 4
    assert bank.layers == looker.layers[:1]


def test_columns_follow_the_layers_that_are_asked_for(
    looker: Looker, dataset: Dataset, tmp_path: Path
) -> None:
    bank = open_bank(looker, dataset, looker.layers, cache=tmp_path)

    train, val = bank.of((looker.layers[0], looker.layers[2]))

    np.testing.assert_array_equal(train, np.delete(bank.train, np.s_[4:12], axis=1))
    assert val.shape[1] == 9


def test_a_damaged_table_is_made_again(looker: Looker, dataset: Dataset, tmp_path: Path) -> None:
    before = open_bank(looker, dataset, looker.layers, cache=tmp_path).train.copy()
    [path] = tmp_path.rglob("train.npy")
    path.write_bytes(path.read_bytes()[:-8])

    after = open_bank(looker, dataset, looker.layers, cache=tmp_path).train

    np.testing.assert_array_equal(before, after)


def test_answers_that_are_no_numbers_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    model = make_model(image_size=16, depth=1)
    next(iter(model.state.values())).fill_(1e38)
    looker = look_with(model, "broken", CPU)

    with pytest.raises(UserError, match="broken: features of images that are not finite"):
        open_bank(looker, dataset, looker.layers, cache=tmp_path)
    assert not list(tmp_path.rglob("*.npy"))
