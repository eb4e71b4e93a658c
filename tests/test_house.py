"""The walls of the house: who may import whom, no circles, and no pickle read or written."""

import ast
from collections.abc import Collection, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPOSITION_ROOT = [ROOT / "search" / "images.py", ROOT / "search" / "run.py"]
FORBIDDEN = {
    "commands": {"torch", "torchvision", "optuna", "search", "mame_cnn", "spaces"},
    "search": {"torch", "torchvision", "mame_cnn", "spaces"},
    "mame_cnn": {"optuna", "optuna_dashboard", "search", "spaces"},
    "spaces": {"optuna", "torch", "torchvision", "mame_cnn"},
}

WEIGHTS_READER = "weights_file.py"
"""Reads files of weights as torchvision publishes them, tensors and nothing else."""


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    assert modules(room)
    for path in modules(room):
        if path not in COMPOSITION_ROOT:
            roots = {name.partition(".")[0] for name in imported(path)}
            assert not roots & FORBIDDEN[room], path


def test_spaces_import_nothing_of_the_engine_but_the_space() -> None:
    for path in modules("spaces"):
        for name in imported(path):
            if name.startswith("search"):
                assert name == "search.space", path


def test_only_the_composition_root_joins_the_halves() -> None:
    joining = [
        path
        for path in modules("search")
        if any(name.startswith("mame_cnn") for name in imported(path))
    ]
    assert joining == COMPOSITION_ROOT


def imported_at_once(path: Path) -> Iterator[str]:
    """Yield what a file imports at once: not in functions, not for types alone."""
    rest: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    for node in rest:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            rest += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            rest += node.body


def stem(name: str, files: Collection[str]) -> str:
    """Return the file that is meant: the name's own, or that in which the name is defined."""
    return name if name in files else name.rpartition(".")[0]


def test_files_do_not_import_each_other_in_circles() -> None:
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for room in FORBIDDEN
        for path in modules(room)
    }
    needs = {
        name: {stem(other, paths) for other in imported_at_once(paths[name])} for name in paths
    }
    assert {*TopologicalSorter(needs).static_order()} >= paths.keys()


def test_nothing_reads_or_writes_pickles() -> None:
    for room in (*FORBIDDEN, "benchmarks"):
        for path in modules(room):
            assert not {"pickle", "joblib", "dill", "shelve"} & set(imported(path)), path
            for call in (
                n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)
            ):
                name = ast.unparse(call.func)
                assert name != "torch.save", path
                if name == "torch.load":  # torchvision's files are of this kind
                    assert path.name == WEIGHTS_READER, path
                    assert "weights_only=True" in map(ast.unparse, call.keywords), path
                if name == "np.load":
                    assert not any(word.arg == "allow_pickle" for word in call.keywords), path
