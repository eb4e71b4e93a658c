"""What docs/python.md names is there, documented and typed; and what commands were made of."""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands.errors import UserError
from mame_cnn.data.load import load_dataset
from search.images import search_images
from search.searching import Settings, search_space
from search.space import Choice
from search.storages.storage import open_storage
from search.studies.loading import load_study
from tests.search.fake_trainer import GRID, SPACE, FakeTrainer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
ROOMS = ("mame_cnn", "search")
INNER = {
    *("search.show", "search.run", "search.export", "search.compare", "search.report"),
    *("search.notebook", "search.dashboard", "search.stop", "search.copy", "search.doctor"),
    *("mame_cnn.data", "mame_cnn.train", "mame_cnn.ensemble", "mame_cnn.evaluate"),
    *("mame_cnn.predict", "mame_cnn.explain", "mame_cnn.features"),
}
"""Commands that people use, but for those of other pages."""


def functions() -> Iterator[str]:
    """Yield the names in the second column of the page's tables."""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and (found := re.fullmatch(r"`([\w.]+)`", cells[2])):
            yield found[1]


def found(name: str) -> Callable[..., Any]:
    module, _, function = name.rpartition(".")
    made: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return made


@pytest.mark.parametrize("name", list(functions()))
def test_every_function_of_the_page_is_documented_and_typed(name: str) -> None:
    function = found(name)
    assert inspect.getdoc(function)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name
        assert "Namespace" not in str(parameter.annotation), "made of a command line"


def test_every_command_stands_on_the_page() -> None:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {found[1] for cell in cells if (found := re.match(r" `([\w.]+)", cell))}
    assert named == INNER


def test_whatever_else_the_page_names_exists() -> None:
    for name in re.findall(r"`((?:mame_cnn|search)\.[\w.]+)", PAGE):
        if name in INNER:
            continue
        parent, _, last = name.rpartition(".")
        if importlib.util.find_spec(parent) and hasattr(importlib.import_module(parent), last):
            continue
        importlib.import_module(name)


def test_any_trainer_is_searched_with(tmp_path: Path) -> None:
    settings = Settings("arithmetic", 6, str(tmp_path / "journal.log"), tmp_path / "artifacts")
    searched = search_space(SPACE, FakeTrainer(), settings, is_quiet=True)
    assert (searched.outcome.ended, len(searched.study.get_trials())) == ("total", 6)
    assert searched.best is not None
    assert searched.best.value == max(
        trial.value for trial in searched.study.get_trials() if trial.value is not None
    )


def test_a_second_search_goes_on_with_the_study(tmp_path: Path) -> None:
    def search(trials: int) -> None:
        storage, artifacts = str(tmp_path / "journal.log"), tmp_path / "artifacts"
        settings = Settings("arithmetic", trials, storage, artifacts)
        search_space(SPACE, FakeTrainer(), settings, is_quiet=True)

    search(2)
    search(5)
    study = load_study(open_storage(str(tmp_path / "journal.log")), "arithmetic")
    assert len(study.get_trials()) == 5


def test_a_small_space_is_searched_whole(tmp_path: Path) -> None:
    settings = Settings("grid", 50, str(tmp_path / "journal.log"), tmp_path / "artifacts")
    searched = search_space(GRID, FakeTrainer(), settings, is_quiet=True)
    assert searched.outcome.ended == "grid"
    assert len(searched.study.get_trials()) == GRID.n_grid_points()


def test_a_space_of_classifiers_is_not_taken_for_one_of_networks(tmp_path: Path) -> None:
    space = replace(GRID, parameters=(Choice("classifier", ("forest", "svm")),))
    with pytest.raises(UserError, match="A grid: is of classifiers"):
        search_images(
            space, load_dataset("digits"), Settings("grid", 2, str(tmp_path / "journal"))
        )
