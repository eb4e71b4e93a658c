"""Every shipped space is sound, sourced and trainable, and contains what it says it does."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import spaces
from mame_cnn.configuration.parameters import config_from_params
from mame_cnn.features.config import faults as feature_faults
from search.images import check_parameters, is_of_features
from search.space import Space, Value
from search.space.file import load_space
from tests.mame_cnn.factory import plain_of

FOLDER = Path(spaces.__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name != "__init__.py")
every_file = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def load(name: str) -> Space:
    return load_space(FOLDER / f"{name}.py")


def is_contained(params: Mapping[str, Value], space: Space) -> bool:
    """Tell whether these are exactly the active parameters of a point of the space."""
    rows = space.active(params)
    return {row.name for row in rows} == params.keys() and all(
        row.contains(params[row.name]) for row in rows
    )


def test_the_promised_spaces_are_shipped() -> None:
    assert {path.stem for path in FILES} >= {
        *("capacity", "regularization", "augmentation", "optimizer", "dropout", "everything")
    }


@every_file
def test_a_shipped_space_is_sound(path: Path) -> None:
    assert load_space(path).faults() == []


@every_file
def test_every_range_says_where_it_comes_from(path: Path) -> None:
    without = [row.name for row in load_space(path).parameters if not row.source.strip()]

    assert without == []


@every_file
def test_every_space_file_says_source_cost_and_command(path: Path) -> None:
    docstring = path.read_text(encoding="utf-8").split('"""')[1]

    assert "Source:" in docstring
    assert "Cost:" in docstring
    assert f"python -m search.run spaces/{path.name} --trials" in docstring


@every_file
def test_a_shipped_space_names_only_parameters_that_networks_know(path: Path) -> None:
    check_parameters(load_space(path), path)


@every_file
def test_no_searched_parameter_is_shadowed_by_a_numbered_fixed_one(path: Path) -> None:
    space = load_space(path)

    plain = {name.rpartition("_")[0] for name in space.fixed if name[-1].isdigit()}

    assert not plain & {row.name for row in space.parameters}


@every_file
def test_there_is_a_baseline_and_each_is_a_complete_configuration(path: Path) -> None:
    space = load_space(path)

    assert space.baselines
    for baseline in space.baselines:
        assert is_contained(baseline, space)
        if is_of_features(space):
            assert not feature_faults({name: [value] for name, value in baseline.items()})
            continue
        config_from_params(
            {**space.fixed, **baseline},
            source="digits",
            image_size=32,
            epochs=space.epochs,
            seed=0,
            data_seed=0,
        )


def test_spaces_need_neither_torch_nor_optuna() -> None:
    program = (
        "import sys\n"
        "import spaces.everything, search.space.file, search.show\n"
        "print(sorted({'torch', 'optuna', 'mame_cnn'} & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


def test_dropout_is_a_grid_of_four() -> None:
    rates = [point["dense_drop_rate_1"] for point in load("dropout").grid()]

    assert rates == [0.2, 0.3, 0.4, 0.5]


def test_the_grid_of_the_eight_scenes_is_contained_in_augmentation() -> None:
    augmentation, grid = load("augmentation"), load("augmentation_grid")

    points = [{"shift_y_fraction": 0.0, **point} for point in grid.grid()]

    assert len(points) == grid.n_grid_points() == 2**6
    assert all(is_contained(point, augmentation) for point in points)
    assert {(point["shift_x_fraction"], point["shift_y_fraction"]) for point in points} == {
        *((0.0, 0.0), (0.2, 0.2))
    }


def test_the_capacity_baseline_is_experiment_6() -> None:
    space = load("capacity")
    config = config_from_params(
        {**space.fixed, **space.baselines[0]},
        source="mame",
        image_size=256,
        epochs=30,
        seed=0,
        data_seed=0,
    )
    network = plain_of(config)

    assert [(block.width, block.pool_size) for block in network.blocks] == [
        *((16, 2), (32, 2), (64, 2), (128, 2))
    ]
    assert {block.batch_norm for block in network.blocks} == {"after_pool"}
    assert [layer.width for layer in network.dense] == [64]


def test_the_penalties_and_drop_rates_of_experiments_9_and_10_are_in_regularization() -> None:
    rows = {row.name: row for row in load("regularization").parameters}

    assert rows["depth"].contains(4)
    assert all(rows[f"l2_{block}"].contains(0.001) for block in (1, 2, 3, 4))
    assert all(rows[f"l1_{block}"].contains(0.01) for block in (3, 4))
    assert all(rows[f"drop_rate_{block}"].contains(0.3) for block in (1, 2, 3, 4))
    assert rows["dense_drop_rate"].contains(0.6)


def test_penalties_grow_with_depth() -> None:
    rows = {row.name: row.to_json() for row in load("regularization").parameters}

    for penalty in ("l1", "l2"):
        highs = [rows[f"{penalty}_{block}"]["high"] for block in (1, 2, 3, 4)]
        assert highs == sorted(set(highs))


def test_momentum_exists_for_sgd_alone() -> None:
    space = load("optimizer")

    with_momentum = {
        optimizer
        for optimizer in ("sgd", "adam", "nadam", "adamax", "adagrad", "adadelta")
        if "momentum" in {row.name for row in space.active({"optimizer": optimizer})}
    }

    assert with_momentum == {"sgd"}


def test_everything_tries_the_best_public_recipe_first() -> None:
    space = load("everything")
    recipe = space.baselines[0]
    config = config_from_params(
        {**space.fixed, **recipe},
        source="mame",
        image_size=256,
        epochs=space.epochs,
        seed=0,
        data_seed=0,
    )
    network, training = plain_of(config), config.training

    assert is_contained(recipe, space)
    assert [(block.width, block.convolutions, block.kernel_size) for block in network.blocks] == [
        *((32, 2, 3), (64, 2, 3), (128, 2, 3))
    ]
    assert all(block.batch_norm != "none" and block.pool_size == 2 for block in network.blocks)
    assert network.head == "average"
    assert (network.head_drop_rate, network.dense) == (0.6, ())
    assert (training.optimizer.name, training.optimizer.lr) == ("adam", 1e-3)
    assert training.batch_size == 32
    assert not any(recipe[name] for name in recipe if name.endswith(("fraction", "degrees")))


def test_everything_has_the_parameters_of_all_that_it_joins() -> None:
    joined = {row.name for row in load("everything").parameters}

    for name in ("capacity", "regularization", "optimizer", "augmentation"):
        assert {row.name for row in load(name).parameters} <= joined


def test_each_baseline_of_the_joined_spaces_is_possible_in_everything() -> None:
    everything = load("everything")

    for name in ("capacity", "regularization", "augmentation"):
        for baseline in load(name).baselines:
            rows = {row.name: row for row in everything.parameters}
            outside = [key for key, value in baseline.items() if not rows[key].contains(value)]
            assert outside == []


def test_features_contain_the_mame_experiments_and_the_papers_embedding() -> None:
    rows = {row.name: row for row in load("features").parameters}

    assert all(rows["min_samples_leaf"].contains(leaf) for leaf in (20, 7, 2))
    assert all(rows["trees"].contains(trees) for trees in (50, 100))
    assert rows["threshold_low"].contains(-0.25)
    assert rows["threshold_high"].contains(0.15)
