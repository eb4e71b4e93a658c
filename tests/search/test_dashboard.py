import json
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIServer

import pytest

from commands.errors import UserError, exit_status
from search import dashboard
from search.files.artifacts import DEFAULT_ARTIFACTS
from search.storages.storage import DEFAULT_STORAGE, open_storage
from search.trainer import Member
from tests.search.fake_trainer import FakeTrainer
from tests.search.small_studies import searched

PNG = b"\x89PNG\r\n\x1a\n and what follows"


def _picture(member: Member) -> Mapping[str, bytes]:
    return {"learning_curves.png": PNG}


@contextmanager
def _serving(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    place = open_storage(str(folder / "journal.log"), create=False)
    with dashboard.make_dashboard(place, folder / "a", host, 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield dashboard.address(server).removesuffix("/dashboard")
        finally:
            server.shutdown()
            thread.join()


def _opened(url: str) -> Any:
    with urllib.request.urlopen(url) as response:
        return response.headers.get_content_type(), response.read()


def test_a_trials_pictures_are_served_beside_its_study(tmp_path: Path) -> None:
    searched(tmp_path, 2, trainer=FakeTrainer(files=_picture), artifacts=tmp_path / "a")
    with _serving(tmp_path) as address:
        kind, page = _opened(f"{address}/dashboard")
        assert (kind, b"<html" in page) == ("text/html", True)
        [study] = json.loads(_opened(f"{address}/api/studies")[1])["study_summaries"]
        assert study["study_name"] == "small"
        number = study["study_id"]
        detail = json.loads(_opened(f"{address}/api/studies/{number}?after=0")[1])
        for trial in detail["trials"]:
            [picture] = [a for a in trial["artifacts"] if a["filename"] == "learning_curves.png"]
            path = f"artifacts/{number}/{trial['trial_id']}/{picture['artifact_id']}"
            assert _opened(f"{address}/{path}") == ("image/png", PNG)


def test_a_port_that_is_taken_is_a_mistake(tmp_path: Path) -> None:
    place = open_storage(str(tmp_path / "journal.log"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"--port {port}: address already in use; another"):
            dashboard.make_dashboard(place, tmp_path, "127.0.0.1", port)


def test_a_host_that_does_not_exist_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*asked: object, **more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("search.dashboard.socket.getaddrinfo", unknown)
    place = open_storage(str(tmp_path / "journal.log"))
    with pytest.raises(UserError, match=r"--host 1\.2\.3\.4\.5: no such host"):
        dashboard.make_dashboard(place, tmp_path, "1.2.3.4.5", 0)


def test_an_address_of_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    searched(tmp_path, 1)
    try:
        with _serving(tmp_path, "::1") as address:
            assert address.startswith("http://[::1]:")
            assert _opened(f"{address}/dashboard")[0] == "text/html"
    except UserError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("museum.example.org", False),
        ("", False),
    ],
)
def test_only_this_machine_reaches_a_loopback_address(host: str, expected: bool) -> None:
    assert dashboard.is_loopback(host) is expected


def test_whoever_opens_it_to_others_is_warned_that_there_is_no_login(tmp_path: Path) -> None:
    assert dashboard.remarks("127.0.0.1", tmp_path) == []
    [line] = dashboard.remarks("0.0.0.0", tmp_path)
    assert line.startswith("warning: --host 0.0.0.0: the dashboard has no login")


def test_files_that_are_not_there_are_told_of(tmp_path: Path) -> None:
    [line] = dashboard.remarks("127.0.0.1", tmp_path / "gone")
    assert (
        line == f"--artifacts {tmp_path / 'gone'}: no such folder; files of trials are not shown"
    )


def test_it_says_where_it_listens_and_ends_with_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: object) -> None:
        raise KeyboardInterrupt

    searched(tmp_path, 1)
    monkeypatch.setattr(WSGIServer, "serve_forever", stop)
    monkeypatch.chdir(tmp_path)
    assert dashboard.main(["--storage", "journal.log", "--artifacts", ".", "--port", "0"]) == 0
    printed = capsys.readouterr()
    assert "studies of journal.log: http://127.0.0.1:" in printed.out
    assert printed.err == ""


def test_a_storage_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none" / "journal.log"
    assert exit_status(lambda: dashboard.main(["--storage", str(path)])) == 2
    assert "no such file; search.run creates it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999", "http", "8.0"])
def test_a_port_that_cannot_be_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dashboard.main([f"--port={port}"])
    assert f"expected 0 to 65535, got {port}" in capsys.readouterr().err


def test_the_command_for_a_study_names_what_is_not_where_it_is_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    usual, other = open_storage(DEFAULT_STORAGE), open_storage("my studies/journal.log")
    assert dashboard.command(usual, DEFAULT_ARTIFACTS) == "python -m search.dashboard"
    assert dashboard.command(other, Path("a b")) == (
        "python -m search.dashboard --storage 'my studies/journal.log' --artifacts 'a b'"
    )
