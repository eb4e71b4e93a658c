"""The reference configurations against the documents' tables and arithmetic done by hand."""

from dataclasses import dataclass

import pytest

from commands.errors import UserError
from mame_cnn.configuration.config_file import read_config
from mame_cnn.configuration.layered import Plain
from mame_cnn.ensembles.members import read_recipes
from mame_cnn.reference import Reference
from tests.mame_cnn.reference_table import FOLDER, table_of


@dataclass(frozen=True)
class Experiment:
    """A row of the documents' table."""

    blocks: tuple[tuple[int, int], ...]
    """Filters and pooling."""
    normalised: tuple[int, ...]
    dense: tuple[int, ...]
    batch: int | None
    lr: float | None
    train: float
    val: float
    test: float | None
    parameters: int
    """By hand: 9 * in * out + out a convolution, 2 * channels a normalisation, in * out + out a
    dense layer."""


DEEP = ((16, 2), (32, 2), (64, 2), (128, 2))
ALL = (1, 2, 3, 4)
MAME = {
    # 28 + 64 * 64 * 1 * 64 + 64 + 1,885
    1: Experiment(((1, 4),), (), (64,), None, None, 0.97, 0.307, 0.27, 264_121),
    # 448 + 64 * 64 * 16 * 64 + 64 + 1,885
    2: Experiment(((16, 4),), (), (64,), 128, 5e-4, 0.66, 0.45, 0.43, 4_196_701),
    # 448 + 4,640 + 16 * 16 * 32 * 64 + 64 + 1,885
    3: Experiment(((16, 4), (32, 4)), (), (64,), 64, 1e-3, 0.90, 0.61, None, 531_325),
    # 3 and 32
    4: Experiment(((16, 4), (32, 4)), (1,), (64,), 64, 5e-5, 0.72, 0.58, 0.58, 531_357),
    # 448 + 32 + 4,640 + 64 + 18,496 + 16 * 16 * 64 * 64 + 64 + 1,885
    5: Experiment(
        ((16, 4), (32, 2), (64, 2)), (1, 2), (64,), 128, 5e-5, 0.86, 0.60, 0.53, 1_074_205
    ),
    # 448 + 32 + 4,640 + 64 + 18,496 + 128 + 73,856 + 256 + 16 * 16 * 128 * 64 + 64 + 1,885
    6: Experiment(DEEP, ALL, (64,), 128, 5e-5, 0.99, 0.63, None, 2_197_021),
    7: Experiment(DEEP, ALL, (64,), 128, 5e-5, 0.85, 0.64, None, 2_197_021),
    8: Experiment(DEEP, ALL, (64,), 128, 5e-5, 0.77, 0.60, 0.64, 2_197_021),
    9: Experiment(DEEP, ALL, (64,), 128, 5e-5, 0.45, 0.21, None, 2_197_021),
    # 896 + 64 + 9,248 + 64 + 18,496 + 128 + 73,856 + 256 + 2,097,152 + 64 + 1,885
    10: Experiment(
        ((32, 2), (32, 2), (64, 2), (128, 2)),
        *(ALL, (64,), 128, 5e-5, 0.73, 0.64, 0.63, 2_202_109),
    ),
    # 896 + 64 + 18,496 + 128 + 73,856 + 4 * 4 * 128 * 512 + 512 + 512 * 64 + 64 + 1,885
    11: Experiment(
        ((32, 4), (64, 4), (128, 4)), (1, 2), (512, 64), 128, 2e-6, 0.54, 0.52, 0.51, 1_177_245
    ),
    # 448 + 32 + 4,640 + 64 + 18,496 + 73,856 + 16 * 16 * 128 * 512 + 512 + 32,832 + 1,885
    12: Experiment(DEEP, (1, 2), (512, 64), 128, 1e-5, 0.59, 0.63, 0.62, 16_909_981),
}


def rows_by_hand(experiment: Experiment) -> list[tuple[tuple[int, ...], int]]:
    """Return the shape and the weights of each layer, for images of 256 pixels and 29 classes."""
    rows: list[tuple[tuple[int, ...], int]] = []
    channels, side = 3, 256
    for number, (filters, pool) in enumerate(experiment.blocks, start=1):
        rows.append(((filters, side, side), 9 * channels * filters + filters))
        channels, side = filters, side // pool
        rows.append(((channels, side, side), 0))
        if number in experiment.normalised:
            rows.append(((channels, side, side), 2 * channels))
    features = channels * side * side
    rows.append(((features,), 0))
    for units in (*experiment.dense, 29):
        rows.append(((units,), features * units + units))
        features = units
    return rows


@pytest.mark.parametrize("number", MAME)
def test_the_layers_of_a_mame_experiment_are_those_of_the_documents_table(
    references: dict[str, Reference], number: int
) -> None:
    reference, experiment = references[f"mame-{number:02d}"], MAME[number]
    by_hand = rows_by_hand(experiment)
    assert sum(weights for _, weights in by_hand) == experiment.parameters
    assert reference.parameters == experiment.parameters
    assert [(row.shape, row.n_parameters) for row in table_of(reference)] == by_hand


@pytest.mark.parametrize("number", MAME)
def test_a_mame_experiment_trains_as_the_documents_say(
    references: dict[str, Reference], number: int
) -> None:
    reference, row = references[f"mame-{number:02d}"], MAME[number]
    config = reference.config
    assert config is not None
    assert config.data.image_size == 256
    assert config.from_scratch
    assert isinstance(config.network, Plain)
    assert {block.kernel_size for block in config.network.blocks} == {3}
    assert {block.pool for block in config.network.blocks} == {"max"}
    assert config.network.activation == "relu"
    assert config.training.optimizer.name == "adam"
    assert config.training.optimizer.weight_decay == 0  # penalties instead
    if row.batch is not None:
        assert config.training.batch_size == row.batch
    if row.lr is not None:
        assert config.training.optimizer.lr == row.lr
    published = reference.origin.published
    assert (published.train, published.val, published.test) == (row.train, row.val, row.test)


def penalties(reference: Reference) -> list[tuple[float, float, float]]:
    """Return L1, L2 and drop rate of each block and dense layer."""
    assert reference.config is not None
    assert isinstance(reference.config.network, Plain)
    layers = (*reference.config.network.blocks, *reference.config.network.dense)
    return [(layer.l1, layer.l2, layer.drop_rate) for layer in layers]


def test_penalties_and_dropout_are_those_of_the_documents(
    references: dict[str, Reference],
) -> None:
    for number in (1, 2, 3, 4, 5, 6, 11, 12):
        assert set(penalties(references[f"mame-{number:02d}"])) == {(0, 0, 0)}
    assert penalties(references["mame-09"]) == [
        *[(0, 0.001, 0.3)] * 2,
        *[(0.1, 0.01, 0.3)] * 2,
        (0, 0, 0.6),
    ]
    assert penalties(references["mame-10"]) == [
        *[(0, 0.001, 0)] * 2,
        *[(0.01, 0.001, 0)] * 2,
        (0.01, 0.001, 0.6),
    ]
    # 8 is 9 without dropout; 7 has L2 everywhere, and L1 on the deeper two from some epoch on.
    assert [(l1, l2) for l1, l2, _ in penalties(references["mame-08"])] == [
        (l1, l2) for l1, l2, _ in penalties(references["mame-09"])
    ]
    assert {rate for *_, rate in penalties(references["mame-08"])} == {0}
    assert penalties(references["mame-07"]) == [
        *[(0, 0.001, 0)] * 2,
        *[(0.01, 0.001, 0)] * 2,
        (0, 0, 0),
    ]
    late = []
    for number in (7, 8, 9, 10):
        config = references[f"mame-{number:02d}"].config
        assert config is not None
        late += [number] if config.training.l1_after_epochs else []
    assert late == [7]


def test_augmentation_is_that_of_the_documents(references: dict[str, Reference]) -> None:
    for number in MAME:
        config = references[f"mame-{number:02d}"].config
        assert config is not None
        on = {name: value for name, value in config.augmentation.model_dump().items() if value}
        if number in (11, 12):
            assert on.pop("shift_x_fraction") == on.pop("shift_y_fraction") > 0
            assert on == {"rotation_degrees": 30, "flip_horizontal": 0.5}
        else:
            assert on == {}


def test_experiment_13_is_the_ensemble_of_10_and_12(references: dict[str, Reference]) -> None:
    ensemble = references["mame-13"]
    assert [member.name for member in ensemble.members] == ["mame-10", "mame-12"]
    assert ensemble.parameters == MAME[10].parameters + MAME[12].parameters
    recipes = read_recipes([FOLDER / "mame-13.toml"])
    assert [recipe.name for recipe in recipes] == ["mame-10", "mame-12"]
    with pytest.raises(UserError, match=r"python -m mame_cnn\.ensemble .*mame-13\.toml"):
        read_config(FOLDER / "mame-13.toml")


def test_the_best_recipe_has_three_blocks_of_two_convolutions(
    references: dict[str, Reference],
) -> None:
    reference = references["mame-best"]
    convolutions = [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    # Weights, biases and a normalisation's two numbers a channel; then the output.
    by_hand = sum(9 * taken * made + 3 * made for taken, made in convolutions) + 128 * 29 + 29
    assert by_hand == 291_645
    assert reference.parameters == by_hand
    *_, mean, output = table_of(reference)
    assert (mean.shape, output.shape) == ((128,), (29,))
    assert reference.config is not None
    assert isinstance(reference.config.network, Plain)
    assert reference.config.network.head == "average"
    assert reference.config.network.head_drop_rate == 0.6
    assert reference.config.training.batch_size == 32
    assert reference.config.training.optimizer.lr == 1e-3
    assert reference.origin.published.test == 0.756
