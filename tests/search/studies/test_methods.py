from pathlib import Path

import optuna

from search.searching import Settings, search_space
from search.studies.methods import read_methods
from tests.search.fake_trainer import SPACE, FakeTrainer

VERSION = f"optuna {optuna.__version__}"


def entry_after(
    folder: Path, trials: int, sampler: str, trainer: FakeTrainer | None = None
) -> str:
    settings = Settings(
        study="small",
        trials=trials,
        storage=str(folder / "journal.log"),
        artifacts=folder / "artifacts",
        sampler=sampler,
        pruner="none",
    )
    searched = search_space(SPACE, trainer or FakeTrainer(), settings, is_quiet=True)
    kept = read_methods(searched.study.user_attrs)
    assert len({str(sorted(one.items())) for one in kept}) == len(kept)
    return (folder / "small" / "notebook.md").read_text()


def test_the_notebook_tells_every_method_once_in_the_order_of_use(tmp_path: Path) -> None:
    first = f"- searched with: sampler random, pruner none, cohort 1, {VERSION}\n"
    text = entry_after(tmp_path, 1, "random")
    assert first in text
    assert "later" not in text
    entry_after(tmp_path, 2, "tpe")
    text = entry_after(tmp_path, 3, "random")
    assert first in text
    assert text.count("- and later with: ") == 1
    assert f"- and later with: sampler tpe, pruner none, cohort 1, {VERSION}\n" in text


def test_a_search_that_has_nothing_to_do_is_no_method(tmp_path: Path) -> None:
    entry_after(tmp_path, 1, "tpe")
    text = entry_after(tmp_path, 1, "random")
    assert "searched with: sampler tpe" in text
    assert "sampler random" not in text


def test_the_notebook_tells_what_trials_were_computed_with(tmp_path: Path) -> None:
    text = entry_after(tmp_path, 1, "random")
    shown = ", ".join(f"{name} {value}" for name, value in FakeTrainer().environment.items())
    assert f"Computed with {shown}." in text


def test_a_study_begun_elsewhere_has_no_method() -> None:
    assert read_methods({}) == read_methods({"searched_with": "tpe"}) == []
