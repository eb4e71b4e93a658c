"""Studies, servers and shared caches that cannot be trusted are judged at the door."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from mame_cnn.data import cache as prepared
from mame_cnn.data import download as downloads
from mame_cnn.data.load import load_dataset
from search.space.table import checked_table
from search.storages.storage import open_storage
from search.studies.loading import load_study
from tests.hostile import refused
from tests.mame_cnn.data.conftest import Factory
from tests.search.fake_trainer import SPACE
from tests.search.small_studies import opened_in, searched


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path / "data")


def test_a_space_of_a_study_is_read_as_it_was_written() -> None:
    table = json.loads(json.dumps(SPACE.to_json()))
    assert checked_table(table) is table


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("space", "SPACE = 1"),
        ("space", {"parameters": [{"kind": "float", "name": "lr"}], "fixed": {}}),
        ("space", {"parameters": [], "fixed": {}, "code": "import os"}),
        ("space", {"parameters": [], "fixed": {"a": 10**30}}),
        ("data", ["digits"]),
        ("data", {"name": 3}),
        ("objective", {"epochs": "many"}),
        ("objective", {"epochs": 0}),
        ("objective", 3),
        ("space_digest", ["a"]),
    ],
)
def test_a_study_whose_pins_are_none_is_refused(
    tmp_path: Path, attribute: str, value: object
) -> None:
    searched(tmp_path, 1)
    opened_in(tmp_path).study.set_user_attr(attribute, value)
    place = open_storage(str(tmp_path / "journal.log"), create=False)
    message = refused(lambda: load_study(place, "small"))
    assert message.startswith("study small: damaged, or not written by search.run:")
    assert attribute in message
    assert message == refused(lambda: opened_in(tmp_path))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("place", "../../.."),
        ("place", -1),
        ("continues", "all"),
        ("best_epoch", "</td>"),
        ("config", "seed = 1"),
        ("owner", 3),
    ],
)
def test_a_trial_whose_attributes_are_none_is_refused(
    tmp_path: Path, attribute: str, value: object
) -> None:
    place = opened_in(tmp_path).place
    study = load_study(place, "small")
    trial = study.ask()
    trial.set_user_attr(attribute, value)
    message = refused(lambda: load_study(place, "small"))
    assert f"trial 0: {attribute} is " in message


@pytest.fixture
def endless() -> Iterator[str]:
    """A server that never stops sending, and whose length no integer can hold."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if self.path == "/long":
                self.send_header("Content-Length", "9" * 5000)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(2**16))
            except OSError:
                pass

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["endless", "long"])
def test_a_download_that_never_ends_is_given_up(
    tmp_path: Path, endless: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "LIMIT_BYTES", 2**20)
    message = refused(
        lambda: downloads.download(f"{endless}/{path}", tmp_path / "a.zip", pauses_s=())
    )
    assert "sends more than" in message
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("change", ["digest", "mean", "std", "shape", "dtype", "pickle"])
def test_prepared_images_that_others_have_changed_are_refused(
    factory: Factory, tmp_path: Path, change: str
) -> None:
    folder, cache = factory.class_folders(), tmp_path / "shared"
    load_dataset(str(folder), 8, cache, progress=False)
    [record] = cache.rglob("meta.json")
    meta = json.loads(record.read_text())
    array = record.with_name("train.npy")
    if change in meta:
        meta[change] = ["<script>"]
    else:
        wrong = {
            "shape": np.zeros((1, 8, 8, 3), np.uint8),
            "dtype": np.zeros(np.load(array).shape, np.float32),
            "pickle": np.array([object()]),
        }
        np.save(array, wrong[change], allow_pickle=True)
        meta["files"]["train.npy"] = prepared._fingerprint(array)
    record.write_text(json.dumps(meta))
    message = refused(lambda: load_dataset(str(folder), 8, cache, progress=False))
    assert "not what is kept here" in message
