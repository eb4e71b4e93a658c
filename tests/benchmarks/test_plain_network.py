"""The script's networks must be this project's, or a comparison of searches says nothing."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.plain_network import DEFAULTS, PlainNetwork, check_known, last_map_px
from commands.errors import UserError
from mame_cnn.configuration import parameters
from mame_cnn.configuration.config import Config
from mame_cnn.families.network import build_network, infeasible
from search.sampling.distributions import uniform
from search.space.file import load_space
from tests.mame_cnn.factory import plain_of

IMAGE_SIZE = 24
N_CLASSES = 3
OF_OTHER_NETWORKS = {"families", "features", "transfer"}
SPACES = sorted(
    path for path in Path("spaces").glob("[!_]*.py") if path.stem not in OF_OTHER_NETWORKS
)
EVERYTHING = load_space("spaces/everything.py")


def drawn(seed: int, image_size: int = IMAGE_SIZE) -> dict[str, Any]:
    """Return parameters of the largest space, of narrow networks so that tests are quick."""
    random = Random(seed)
    params = EVERYTHING.draw(lambda row: uniform(row, random))
    return {**EVERYTHING.fixed, **params, "width": 4}


def config_of(params: dict[str, Any]) -> Config:
    return parameters.config_from_params(
        params, source="none", image_size=IMAGE_SIZE, epochs=1, seed=0, data_seed=0
    )


def feasible_draws(n: int) -> list[dict[str, Any]]:
    draws = (drawn(seed) for seed in range(10 * n))
    return [params for params in draws if not infeasible(config_of(params).network, IMAGE_SIZE)][
        :n
    ]


def plain(params: dict[str, Any]) -> PlainNetwork:
    params = {**DEFAULTS, **params}
    return PlainNetwork(params, image_size=IMAGE_SIZE, n_classes=N_CLASSES).double()


@pytest.mark.parametrize("params", feasible_draws(12))
def test_a_drawn_network_computes_what_this_projects_does(params: dict[str, Any]) -> None:
    params = {name: 0.0 if "drop_rate" in name else value for name, value in params.items()}
    own = build_network(
        [config_of(params).network], channels=3, image_size=IMAGE_SIZE, n_classes=N_CLASSES
    ).double()
    own.initialise([torch.Generator().manual_seed(0)])
    peer = plain(params)
    with torch.no_grad():
        for mine, theirs in zip(own.parameters(), peer.parameters(), strict=True):
            theirs.copy_(mine[0])
    images = torch.rand(5, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.float64)
    # In training mode normalisation uses the batch, as it does while both learn.
    torch.testing.assert_close(peer.train()(images), own.train()(images)[0], rtol=0, atol=1e-10)


def test_drop_rates_are_those_of_their_layers() -> None:
    params = {
        "depth": 2,
        "drop_rate_1": 0.1,
        "drop_rate_2": 0.2,
        "head_drop_rate": 0.3,
        "dense_depth": 2,
        "dense_drop_rate": 0.4,
        "dense_drop_rate_2": 0.5,
    }
    rates = [layer.p for layer in plain(params).layers if isinstance(layer, nn.Dropout)]
    assert rates == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_penalties_are_of_the_blocks_kernels() -> None:
    params = {
        "depth": 2,
        "width": 4,
        "convolutions": 2,
        "dense_depth": 1,
        "l1_1": 0.5,
        "l1_2": 0.25,
        "l2_1": 0.125,
        "l2_2": 2.0,
    }
    network = plain(params)
    kernels = [one.weight for one in network.layers if isinstance(one, nn.Conv2d)]
    expected = sum(
        block.l1 * kernel.abs().sum() + block.l2 * kernel.square().sum()
        for kernel, block in zip(
            kernels, [b for b in plain_of(config_of(params)).blocks for _ in range(2)], strict=True
        )
    )
    torch.testing.assert_close(network.penalty(), expected, rtol=1e-12, atol=0)


def test_networks_that_pooling_leaves_nothing_of_are_those_that_the_engine_refuses() -> None:
    answers = []
    for seed in range(60):
        params = drawn(seed)
        refused = infeasible(config_of(params).network, IMAGE_SIZE) is not None
        assert (last_map_px({**DEFAULTS, **params}, IMAGE_SIZE) == 0) == refused
        answers.append(refused)
    assert any(answers)
    assert not all(answers)


def test_what_a_space_leaves_out_is_the_same_on_both_sides() -> None:
    assert {name: parameters.DEFAULTS[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_shipped_space_of_plain_networks_can_be_searched_by_the_script(path: Path) -> None:
    space = load_space(path)
    check_known([*space.fixed, *(row.name for row in space.parameters)])


def test_parameters_that_the_script_lacks_are_named() -> None:
    with pytest.raises(UserError, match="knows no label_smoothing, dense_l1_2;"):
        check_known(["lr", "label_smoothing", "drop_rate_3", "dense_l1_2"])
