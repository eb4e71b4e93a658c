import re
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from commands.errors import UserError
from search.storages.storage import DEFAULT_STORAGE, open_storage


def test_a_path_is_a_journal_whose_folder_is_made(tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "a" / "b" / "journal.log"))
    optuna.create_study(storage=place.storage, study_name="s")
    assert place.folder == tmp_path / "a" / "b"
    assert (place.folder / "journal.log").read_bytes().startswith(b'{"op_code":0')


def test_reading_creates_nothing(tmp_path: Path) -> None:
    for given in (str(tmp_path / "a" / "j.log"), f"sqlite:///{tmp_path}/a/s.db"):
        with pytest.raises(UserError, match="no such file"):
            open_storage(given, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused_with_a_file_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder; give a file, such as .*journal.log"):
        open_storage(str(tmp_path))


@pytest.mark.parametrize("content", [b"hello", b"\x80\x00\xff", b'{"a": 1}\n', b"SQLite format 3"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "thesis.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"thesis.txt: is no journal"):
        open_storage(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"###\n",
        b'{"op_code":0,"study_name":"s","di###\n{"op_code":2}\n',
        b'{"op_code":99,"worker_id":"x"}\n',
        b'{"op_code":4,"worker_id":"x","study_id":0,"datetime_start":"yesterday"}\n',
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_damaged_journal_is_one_message_with_the_line_and_the_command(
    content: bytes, create: bool, tmp_path: Path
) -> None:
    path = tmp_path / "journal.log"
    optuna.create_study(storage=open_storage(str(path)).storage, study_name="s")
    whole = path.read_bytes()
    path.write_bytes(whole + content)
    with pytest.raises(UserError) as caught:
        open_storage(str(path), create=create)
    assert "journal.log: the journal is damaged: line 2 " in str(caught.value)
    assert f"python -m search.doctor --storage {path} --fix" in str(caught.value)
    assert path.read_bytes() == whole + content


def test_a_journal_that_begins_with_damage_is_still_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    optuna.create_study(storage=open_storage(str(path)).storage, study_name="s")
    path.write_bytes(b"\0" * 100 + path.read_bytes())
    with pytest.raises(UserError, match=r"damaged: line 1 holds NUL bytes"):
        open_storage(str(path))


def test_an_unfinished_last_line_is_said_once_and_cut_off_by_the_next_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal.log"
    optuna.create_study(storage=open_storage(str(path)).storage, study_name="s")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":2,')
    place = open_storage(str(path), create=False)
    assert path.read_bytes() == whole + b'{"op_code":2,'
    optuna.load_study(storage=place.storage, study_name="s").set_user_attr("a", 1)
    said = capsys.readouterr().err
    assert said.count("last line is unfinished") == 1
    assert '13 bytes, began {"op_code":2,' in said
    assert path.read_bytes().startswith(whole + b'{"op_code":2,"worker_id"')


@pytest.mark.parametrize("given", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="would keep nothing"):
        open_storage(given)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("")
    with pytest.raises(UserError, match="is a file, not a folder"):
        open_storage(str(tmp_path / "studies" / "journal.log"))


def test_a_database_is_opened_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = open_storage(f"sqlite:///{tmp_path}/deep/studies.db")
    assert isinstance(place.storage, RDBStorage)
    optuna.create_study(storage=place.storage, study_name="s")
    assert (tmp_path / "deep" / "studies.db").exists()
    assert place.folder == Path("studies")
    place.storage.engine.dispose()


@pytest.mark.parametrize("name", ["studies.db", "studies.sqlite"])
def test_a_journal_is_not_begun_under_a_databases_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(UserError, match=re.escape(f"is given as sqlite:///{path}")):
        open_storage(str(path))
    assert not path.exists()


@pytest.mark.parametrize("given", ["oracle9://x/y", "://", "nothing://"])
def test_an_address_that_cannot_be_opened_is_one_message(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--storage"):
        open_storage(given)


def test_a_password_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        open_storage("nothing://me:secret@host/studies")
    assert "secret" not in str(caught.value)


def test_commands_name_the_storage_unless_it_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_storage(DEFAULT_STORAGE).option == ""
    assert open_storage("other.log").option == " --storage other.log"
