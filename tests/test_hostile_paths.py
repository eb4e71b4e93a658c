"""No name in a stranger's file leads out of the folder that it belongs to."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mame_cnn.data import mame_layout
from mame_cnn.data.layout import read_listing
from mame_cnn.models.ensemble_file import ENSEMBLE, read_ensemble, write_ensemble
from search.export import main as export
from search.notebook.__main__ import main as write_notebook
from search.storages.storage import open_storage
from search.studies.sound import study_folder
from tests.hostile import ESCAPE, refused
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.small_models import make_ensemble, write_members


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path / "data")


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "members/../../x", "a\\..\\b", "", "a\x00b", "a\x1b[2Jb"]
)
def test_an_ensemble_names_no_place_outside_its_folder(tmp_path: Path, path: str) -> None:
    ensemble = make_ensemble()
    write_members(tmp_path, ensemble)
    write_ensemble(tmp_path, ensemble)
    text = (tmp_path / ENSEMBLE).read_text()
    quoted = json.dumps(path)
    (tmp_path / ENSEMBLE).write_text(text.replace('"members/member-1"', quoted, 1))
    message = refused(lambda: read_ensemble(tmp_path))
    assert "members.0.path: must" in message
    assert "\x00" not in message


def test_a_link_leads_an_ensemble_nowhere(tmp_path: Path) -> None:
    folder, outside = tmp_path / "ensemble", tmp_path / "outside"
    ensemble = make_ensemble()
    write_members(folder, ensemble)
    write_ensemble(folder, ensemble)
    (folder / "members" / "member-1").rename(outside)
    (folder / "members" / "member-1").symlink_to(outside)
    assert "leads out of the folder" in refused(lambda: read_ensemble(folder))


NAMES = ["../../stolen", "/tmp/stolen", "..", ".", "a/../../b", "a\nseed = 1", ESCAPE, "a\\b"]


def foreign(folder: Path, name: str) -> Path:
    """A storage with a study that search.run would not have begun."""
    path = folder / "journal.log"
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    trial = study.ask()
    trial.set_user_attr("config", {"seed": 1})
    study.tell(trial, 0.5)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_studys_name_leads_out_of_no_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in" / "studies"
    folder.mkdir(parents=True)
    storage = str(foreign(folder, name))
    before = sorted(tmp_path.rglob("*"))
    place = open_storage(storage, create=False)
    assert "leads out of" in refused(lambda: study_folder(place, name))
    assert "leads out of" in refused(lambda: export([name, "--storage", storage]))
    assert "leads out of" in refused(
        lambda: write_notebook(["--storage", storage, "--artifacts", str(tmp_path / "a")])
    )
    locks = {path for path in tmp_path.rglob("*") if path.suffix == ".lock"}
    assert sorted({*tmp_path.rglob("*")} - locks) == before


def test_a_studys_name_adds_nothing_to_an_export(tmp_path: Path) -> None:
    storage = str(foreign(tmp_path, "a\nseed = 666\n#"))
    out = tmp_path / "out.toml"
    assert export(["a\nseed = 666\n#", "--storage", storage, "--out", str(out)]) == 0
    assert "\nseed = 666" not in out.read_text()
    assert "\nseed = 1\n" in out.read_text()


@pytest.mark.parametrize(
    "config", [{"a": None}, {"a": [None]}, {"a": "\ud800"}, {"a": 10**30}, "text", [1]]
)
def test_a_configuration_that_is_none_is_not_exported(tmp_path: Path, config: object) -> None:
    path = tmp_path / "journal.log"
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="small", direction="maximize")
    trial = study.ask()
    trial.set_user_attr("config", config)
    study.tell(trial, 0.5)
    message = refused(lambda: export(["small", "--storage", str(path)]))
    assert "study small: " in message
    assert "damaged" in message
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize(
    "name", ["../../a.jpg", "/etc/passwd", "a\\b.jpg", "..", "a\x00b.jpg", "\x1b[2Ja.jpg", ""]
)
def test_a_table_names_no_file_elsewhere(factory: Factory, name: str) -> None:
    folder = factory.mame()
    path = folder / mame_layout.TABLES[0]
    lines = path.read_text().splitlines()
    lines[1] = ",".join([name, *lines[1].split(",")[1:]])
    path.write_text("\n".join(lines) + "\n")
    assert "names" in refused(lambda: read_listing(folder))
