"""Nothing but an evaluation that was asked to can see the test set."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn import ensemble, train
from mame_cnn.data.load import load_dataset, load_test
from search import export, run
from tests.mame_cnn.data.conftest import Factory

ROOT = Path(__file__).parents[1]
ROOMS = ("commands", "mame_cnn", "search", "spaces", "benchmarks")
DOORS = {"load_test", "list_test"}
"""What the test split is opened with, and what lists its names and labels."""
DOORKEEPER, EVALUATION = "mame_cnn/data/load.py", "mame_cnn/evaluate.py"
PUBLISHED = "mame_cnn/reference.py"
"""Names test accuracies that others have published."""


def sources() -> Iterator[tuple[str, ast.AST]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def mentions(tree: ast.AST) -> set[str]:
    """Return every name that code uses: imported, looked up in a module, or as a string."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.alias(name=name) | ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name.rpartition(".")[2])
            case ast.Constant(value=str(text)):
                found.add(text)
    return found


def test_only_evaluation_goes_through_the_doors_of_the_test_split() -> None:
    users = {name for name, tree in sources() if mentions(tree) & DOORS}
    assert users == {DOORKEEPER, EVALUATION}


def test_outside_of_the_data_s_own_room_nobody_lists_a_folder_or_names_the_test_split() -> None:
    for name, tree in sources():
        is_free = name.startswith(("mame_cnn/data/", "benchmarks/")) or name == EVALUATION
        if not is_free:
            assert not mentions(tree) & {"read_listing", "split_indices"}, name
            if name.startswith("mame_cnn/"):
                assert "test" not in mentions(tree) or name == PUBLISHED, name


def test_who_asks_for_an_evaluation_asks_for_one_on_validation() -> None:
    for name, tree in sources():
        borrowed = set()
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module="mame_cnn.evaluate", names=names):
                    borrowed |= {alias.name for alias in names}
                case ast.Attribute(value=ast.Name(id="evaluate"), attr=attribute):
                    borrowed.add(attribute)
        assert borrowed <= {"evaluate_run", "EVALUATION"}, name
        if borrowed:
            assert not mentions(tree) & {"--test", "--again"}, name


def test_images_of_the_test_split_are_prepared_behind_its_door_alone() -> None:
    """Every other preparation says which splits it is for, and test is not among them."""
    found = {name: list(preparations(tree)) for name, tree in sources()}
    assert {name: splits for name, splits in found.items() if splits} == {
        "mame_cnn/data/__main__.py": ["('train', 'val')"],
        "mame_cnn/data/load.py": ["('train', 'val')", "('test',)"],
    }


def preparations(tree: ast.AST) -> Iterator[str]:
    """Yield what each call of `prepare` is given as splits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "prepare":
            yield ast.unparse(node.args[1])


SPACE = """
from search.space import Float, Question, Space

SPACE = Space(
    title="Toy",
    question=Question(previous="Nothing.", hypothesis="It runs.", setup="Tiny networks."),
    parameters=(Float("lr", 1e-3, 1e-1, log=True),),
    fixed={"depth": 1, "width": 2, "dense_width": 4, "batch_size": 8},
    epochs=1,
)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MAMe's layout with a test split that is listed, and of which no image is there."""
    monkeypatch.setenv("MAME_CACHE", str(tmp_path / "cache"))
    counts = {
        "train": {"bronze": 8, "clay": 8},
        "val": {"bronze": 4, "clay": 4},
        "test": {"bronze": 4, "clay": 4},
    }
    folder = Factory(tmp_path / "data").mame(counts)
    for path in (folder / "data_256").glob("test.*"):
        path.unlink()
    return folder


def test_search_training_and_ensembling_need_no_test_image(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.py").write_text(SPACE)
    fixed = ["--device", "cpu", "--quiet"]
    data = ["--data", str(folder), "--image-size", "8"]
    assert run.main(["toy.py", "--trials", "2", *data, *fixed]) == 0
    assert export.main(["toy", "--top", "1", "--out", "top"]) == 0
    [config] = Path("top").glob("*.toml")
    assert train.main([str(config), "--out", "trained", *fixed]) == 0
    assert ensemble.main(["top", "--seeds", "2", "--out", "both", *fixed]) == 0
    assert Path("trained/weights.safetensors").is_file()
    assert Path("both/ensemble.toml").is_file()


def test_the_data_load_without_test_images_and_the_test_split_does_not(folder: Path) -> None:
    assert len(load_dataset(str(folder), 8).val.labels) == 8
    with pytest.raises(UserError, match="8 of 8 images \\(test\\) missing"):
        load_test(str(folder), 8)
