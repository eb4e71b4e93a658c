from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from commands.errors import UserError
from search.storages import database as module
from search.storages.secrets import (
    PASSWORD,
    PASSWORD_FILE,
    by_environment,
    hidden,
    with_password,
    without_password,
)
from search.storages.storage import open_storage

ADDRESS = "postgresql://me@host/studies"


def kept(folder: Path, text: str = "from-file\n", mode: int = 0o600) -> dict[str, str]:
    path = folder / "password"
    path.write_text(text)
    path.chmod(mode)
    return {PASSWORD_FILE: str(path)}


def test_the_address_comes_first_then_the_variable_then_the_file(tmp_path: Path) -> None:
    own, variable, file = make_url("postgresql://me:own@host/x"), {PASSWORD: "var"}, kept(tmp_path)
    bare = make_url(ADDRESS)
    assert with_password(own, variable | file).password == "own"
    assert with_password(bare, variable | file).password == "var"
    assert with_password(bare, file).password == "from-file"
    assert with_password(bare, {}).password is None


def test_an_address_as_it_is_shown_asks_for_its_password() -> None:
    shown = without_password(make_url("postgresql://me:secret@host/x?sslmode=require"))
    assert shown == "postgresql://me:***@host/x?sslmode=require"
    assert with_password(make_url(shown), {PASSWORD: "secret"}).password == "secret"
    assert with_password(make_url(shown), {}).password is None


def test_one_behind_the_question_mark_is_moved_to_its_place() -> None:
    url = with_password(make_url("mysql+pymysql://me@host/x?password=secret&ssl_ca=ca.pem"), {})
    assert (url.password, dict(url.query)) == ("secret", {"ssl_ca": "ca.pem"})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UserError, match="others can read it; chmod 600"):
        with_password(make_url(ADDRESS), kept(tmp_path, mode=mode))


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n", "x" * 5000])
def test_a_file_that_is_not_one_line_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="is not one line of text") as caught:
        with_password(make_url(ADDRESS), kept(tmp_path, text))
    assert "two" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        with_password(make_url(ADDRESS), {PASSWORD_FILE: str(tmp_path / "none")})


@pytest.mark.parametrize("form", [["--storage", "{}"], ["--storage={}"], ["--stor", "{}"]])
def test_other_processes_get_it_by_the_environment(
    form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "")
    storage = "postgresql://me:s3cret@host/x"
    passed = by_environment(["space.py", *(part.format(storage) for part in form)], storage)
    assert passed == ["space.py", *(p.format("postgresql://me:***@host/x") for p in form)]
    url = with_password(make_url("postgresql://me:***@host/x"))
    assert url.password == "s3cret"


@pytest.mark.parametrize("storage", ["studies/journal.log", "://", "sqlite:///x.db"])
def test_arguments_without_one_are_passed_as_they_are(storage: str) -> None:
    assert by_environment(["--storage", storage], storage) == ["--storage", storage]


def test_a_drivers_message_is_shown_without_it() -> None:
    url = make_url("postgresql://me:s3cret@host/x")
    assert hidden("could not log in with s3cret", url) == "could not log in with ***"
    assert hidden("could not log in", make_url(ADDRESS)) == "could not log in"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://me@127.0.0.1:1/x",
        "mysql+pymysql://me@127.0.0.1:1/x",
        "redis://127.0.0.1:1/0",
        "rediss://me@127.0.0.1:1/0",
    ],
)
def test_a_storage_that_is_down_at_the_start_is_one_message_without_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PASSWORD, "s3cret")
    with pytest.raises(UserError, match="cannot be opened: ") as caught:
        open_storage(address)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "postgresql+psycopg://me@h/x?sslmode=verify-full&sslrootcert=ca.pem",
            {"sslmode": "verify-full", "sslrootcert": "ca.pem", "password": "s3cret"},
        ),
        (
            "mysql+pymysql://me@h/x?ssl_ca=ca.pem",
            {"ssl": {"ca": "ca.pem"}, "password": "s3cret"},
        ),
    ],
)
def test_what_asks_for_tls_reaches_the_driver(address: str, expected: dict[str, Any]) -> None:
    url = with_password(make_url(address), {PASSWORD: "s3cret"})
    _, given = url.get_dialect()().create_connect_args(url)
    assert expected.items() <= given.items()


def test_tls_of_redis_reaches_the_driver(tmp_path: Path) -> None:
    from search.storages.database_redis import RedisJournal

    journal = RedisJournal("rediss://:s3cret@h:1/2?ssl_ca_certs=ca.pem")
    pool = journal._redis.connection_pool
    assert pool.connection_class.__name__ == "SSLConnection"
    assert (pool.connection_kwargs["ssl_ca_certs"], pool.connection_kwargs["db"]) == ("ca.pem", 2)
    assert journal.load_snapshot() is None


def test_a_password_of_redis_reaches_the_driver_without_a_user() -> None:
    from search.storages.database_redis import RedisJournal, _address

    url = with_password(make_url("redis://h:1/2"), {PASSWORD: "s3:cr@t"})
    given = RedisJournal(_address(url))._redis.connection_pool.connection_kwargs
    assert (given["password"], given.get("username")) == ("s3:cr@t", None)


def test_a_silent_host_is_found_out_unless_the_address_says_otherwise() -> None:
    given = module._arguments(make_url("postgresql+psycopg://h/x?connect_timeout=3"))
    assert "connect_timeout" not in given
    assert given["tcp_user_timeout"] == 60_000
    assert module._arguments(make_url("sqlite:///x.db")) == {}
