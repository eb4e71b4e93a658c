"""The reference configurations against the documents' tables and arithmetic done by hand."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from commands.errors import UserError
from mame_cnn.config_file import read_config
from mame_cnn.ensemble_members import read_recipes
from mame_cnn.layer_table import LayerRow, layer_table
from mame_cnn.layered_config import Plain
from mame_cnn.reference import Reference, read_reference, read_references
from mame_cnn.train import main

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "studies" / "reference"


@pytest.fixture(scope="module")
def references() -> dict[str, Reference]:
    return {one.name: one for one in read_references(FOLDER)}


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


def table_of(reference: Reference) -> list[LayerRow]:
    """Return the layers that have weights or change the shape."""
    assert reference.config is not None
    image_size = reference.config.data.image_size
    rows = layer_table(
        reference.config.network,
        channels=reference.origin.channels,
        image_size=image_size,
        n_classes=reference.origin.classes,
    )
    before = [(reference.origin.channels, image_size, image_size), *(row.shape for row in rows)]
    return [
        row
        for row, shape in zip(rows, before, strict=False)
        if row.n_parameters or row.shape != shape
    ]


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
    starts = {
        number: references[f"mame-{number:02d}"].config.training.l1_after_epochs  # type: ignore[union-attr]
        for number in (7, 8, 9, 10)
    }
    assert [number for number, start in starts.items() if start] == [7]


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
    by_hand = sum(9 * taken * made + made for taken, made in convolutions) + 128 * 29 + 29
    assert by_hand == 290_749
    assert reference.parameters == by_hand
    *_, mean, output = table_of(reference)
    assert (mean.shape, output.shape) == ((128,), (29,))
    assert reference.config is not None
    assert isinstance(reference.config.network, Plain)
    assert reference.config.network.head == "average"
    assert reference.config.network.head_drop_rate == 0.6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("painters-vgg", 6_625_101),
        ("painters-resnet29", 4_088_837),
        ("painters-mobilenetv2", 563_173),
    ],
)
def test_the_painters_networks_have_exactly_the_weights_that_their_tables_give(
    references: dict[str, Reference], name: str, parameters: int
) -> None:
    reference = references[name]
    assert reference.parameters == parameters
    assert sum(row.n_parameters for row in table_of(reference)) == parameters


def sides(reference: Reference) -> list[int]:
    """Return the sides of the maps, each once, in the order of computation."""
    return list(
        dict.fromkeys(
            row.shape[1] for row in table_of(reference) if len(row.shape) == 3 and row.shape[1] > 1
        )
    )


def test_the_painters_maps_shrink_as_the_documents_say(references: dict[str, Reference]) -> None:
    assert sides(references["painters-vgg"]) == [224, 112, 56, 28, 14]
    assert sides(references["painters-resnet29"]) == [112, 56, 28, 14]
    assert sides(references["painters-mobilenetv2"]) == [112, 56, 28, 14]


@pytest.mark.parametrize("name", ["vgg", "resnet29", "mobilenetv2"])
def test_the_painters_are_trained_as_the_documents_say(
    references: dict[str, Reference], name: str
) -> None:
    config = references[f"painters-{name}"].config
    assert config is not None
    assert (config.data.image_size, config.data.normalisation) == (224, "image")
    training = config.training
    assert (training.batch_size, training.epochs, training.patience_epochs) == (32, 50, 0)
    assert (training.optimizer.name, training.optimizer.lr) == ("adam", 1e-3)
    assert training.schedule.model_dump() == {
        "name": "exponential",
        "rate": 0.05,
        "after_epochs": 10,
    }
    assert (training.class_weights, training.initial_bias) == ("balanced", "frequencies")
    on = {name: value for name, value in config.augmentation.model_dump().items() if value}
    assert on == {"flip_horizontal": 0.5, "color_pca_sd": 0.1}


def densenet_by_torchvision(cut: int, *, dense: int | None) -> int:
    """Count the weights of torchvision's DenseNet-121 up to the transition before the cut."""
    with torch.device("meta"):
        features: nn.Sequential = torchvision.models.densenet121().features
    names = [name for name, _ in features.named_children()]
    end = len(names) if cut == 0 else names.index(f"transition{4 - cut}") + 1
    kept = features[:end]
    channels = {0: 1024, 1: 512, 2: 256, 3: 128}[cut]
    head = channels * 8 + 8
    if dense is not None:
        head = channels * dense + dense + dense * 8 + 8
    return sum(weight.numel() for weight in kept.parameters()) + head


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("dense", [None, 1024])
def test_a_cut_densenet_has_the_weights_of_what_torchvisions_keeps(
    references: dict[str, Reference], cut: int, dense: int | None
) -> None:
    reference = references[f"scenes-densenet-cut{cut}{'-dense' if dense else ''}"]
    assert reference.parameters == densenet_by_torchvision(cut, dense=dense)
    rounded = reference.origin.published_parameters
    if rounded is not None:
        assert reference.parameters == pytest.approx(rounded, rel=0.06)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        # The last map of VGG16 at 256 pixels: 512 x 8 x 8 = 32,768.
        ("1", 32_768 * 512 + 512 + 512 * 512 + 512 + 512 * 29 + 29),
        ("2", 2 * 32_768 + 32_768 * 512 + 512 + 512 * 512 + 512 + 512 * 29 + 29),
        ("3", 2 * 32_768 + 32_768 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 29 + 29),
    ],
)
def test_a_head_on_vgg16_has_the_weights_of_its_layers(
    references: dict[str, Reference], name: str, by_hand: int
) -> None:
    reference = references[f"vgg16-head-{name}"]
    assert reference.parameters == by_hand
    assert reference.config is not None
    assert not reference.config.from_scratch
    training = reference.config.training
    assert (training.patience_epochs, training.patience_on) == (20, "loss")


def test_unfreezing_everything_adds_all_thirteen_convolutions(
    references: dict[str, Reference],
) -> None:
    with torch.device("meta"):
        vgg16 = torchvision.models.vgg16().features
    convolutions = sum(weight.numel() for weight in vgg16.parameters())
    head = references["vgg16-head-3"].parameters
    assert references["vgg16-head-3-steps"].parameters == head + convolutions


def docs_table() -> dict[str, list[str]]:
    """Return the cells of the table in the documentation by name."""
    lines = (ROOT / "docs" / "reference.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in rows if re.fullmatch(r"`[\w-]+`", row[0])}


def test_the_documentation_shows_what_is_built_beside_what_was_published(
    references: dict[str, Reference],
) -> None:
    table = docs_table()
    assert [*table] == [*references]
    for name, reference in references.items():
        published = reference.origin.published
        count = reference.origin.published_parameters
        accuracies = (published.train, published.val, published.test)
        assert table[name][:5] == [
            f"{reference.parameters:,}",
            "" if count is None else f"{count:,}",
            *("" if value is None else f"{value:.1%}" for value in accuracies),
        ]


def test_the_list_prints_every_name_with_its_figures(
    references: dict[str, Reference], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    for name in references:
        assert f" {name} " in shown
    [line] = [line for line in shown.splitlines() if " mame-07 " in line]
    assert "2,197,021" in line
    assert "85.0%" in line
    assert "64.0%" in line


def test_the_list_as_json_has_name_parameters_and_source(
    references: dict[str, Reference], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--list", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [*references]
    by_name = {row["name"]: row for row in rows}
    assert by_name["mame-07"]["parameters"] == 2_197_021
    assert by_name["mame-07"]["source"] == "MAMe from scratch, experiment 7"
    assert by_name["mame-07"]["published"] == {"train": 0.85, "val": 0.64}
    assert by_name["mame-13"]["members"] == ["mame-10", "mame-12"]
    assert by_name["painters-mobilenetv2"]["published_parameters"] == 642_709


@pytest.mark.parametrize("argv", [[], ["--list", "a.toml"], ["a.toml", "--json"], ["--json"]])
def test_a_list_or_a_configuration_is_asked_for_not_both(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "--list" in capsys.readouterr().err


def write(folder: Path, text: str) -> Path:
    path = folder / "e.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('members = ["a"]', "at least 2 items"),
        ('members = ["a", "../b"]', "pattern"),
        ('members = ["a", "/b"]', "pattern"),
        ('members = "ab"', "valid tuple"),
        (f'members = ["a", "{"b" * 999}"]', "at most 100 characters"),
        ('members = ["a", "a"]', "two members are called a"),
        ('members = ["a", "none"]', r"no such file: .*none\.toml"),
        ('members = ["a", "e"]', "e is an ensemble itself"),
        ('members = ["a", "b"]\nseed = 3', "seed: no such field"),
        ('members = ["a", "b"]\nprovenance = 3', "provenance: expected a table"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    for name in "ab":
        (tmp_path / f"{name}.toml").write_text("seed = 0")
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=expected) as raised:
        read_reference(path)
    assert str(path) in str(raised.value)


def test_what_is_wrong_with_any_reference_is_said_at_once(tmp_path: Path) -> None:
    good = (FOLDER / "mame-02.toml").read_text()
    (tmp_path / "one.toml").write_text(good.replace("classes = 29", "classes = 1"))
    (tmp_path / "two.toml").write_text(good.replace("val = 0.45", "val = 45"))
    (tmp_path / "three.toml").write_text("seed = 0")
    with pytest.raises(UserError) as raised:
        read_references(tmp_path)
    message = str(raised.value)
    assert "one.toml" in message
    assert "provenance.classes" in message
    assert "provenance.published.val" in message
    assert "three.toml: not a complete configuration" in message


def test_a_folder_without_references_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected reference configurations"):
        read_references(tmp_path)
