import hashlib
import io
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from commands.errors import UserError, exit_status
from mame_cnn.data.__main__ import main
from mame_cnn.data.fetch import IMAGES, METADATA, Archive, fetch
from mame_cnn.data.load import load_dataset
from tests.mame_cnn.data.conftest import Factory
from tests.mame_cnn.data.server import Site, serving


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent).as_posix())
    return buffer.getvalue()


@pytest.fixture
def site(make: Factory) -> Site:
    source = make.mame(name="source")
    files = {
        METADATA.name: zipped(source / "MAMe_metadata"),
        IMAGES.name: zipped(source / "data_256"),
    }
    return Site(files)


def get(site: Site, folder: Path) -> None:
    md5 = hashlib.md5(site.files[METADATA.name]).hexdigest()
    archives = (Archive(METADATA.name, md5), IMAGES)
    fetch(folder, site.url, archives=archives, pauses_s=(1, 2), sleep=lambda _: None)


def test_what_is_fetched_can_be_loaded(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mame"
    with serving(site):
        get(site, folder)
    assert len(load_dataset(str(folder), 8).train.images) == 7
    assert sorted(p.name for p in folder.iterdir() if p.name != ".fetch.lock") == [
        "MAMe_metadata",
        "data_256",
    ]


def test_a_server_that_breaks_off_in_mid_file_only_delays(site: Site, tmp_path: Path) -> None:
    site.break_after = [100, 100, len(site.files[METADATA.name]), 1000]
    with serving(site):
        get(site, tmp_path)
    assert len(load_dataset(str(tmp_path), 8).train.images) == 7
    assert sum(asked is not None for _, asked, _ in site.requests) == 3


def test_the_second_time_nothing_is_asked_for(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(site):
        get(site, tmp_path)
        n_requests = len(site.requests)
        get(site, tmp_path)
    assert len(site.requests) == n_requests
    assert "all 14 are there already" in capsys.readouterr().out


def test_a_half_unpacked_folder_is_completed(site: Site, tmp_path: Path) -> None:
    with serving(site):
        get(site, tmp_path)
        for path in (tmp_path / "data_256").glob("val*"):
            path.unlink()
        get(site, tmp_path)
    assert len(load_dataset(str(tmp_path), 8).val.images) == 4
    assert [path for path, _, _ in site.requests] == [
        "/MAMe_metadata.zip",
        "/MAMe_data_256.zip",
        "/MAMe_data_256.zip",
    ]


def test_an_archive_that_lies_there_is_used_and_kept(site: Site, tmp_path: Path) -> None:
    (tmp_path / IMAGES.name).write_bytes(site.files.pop(IMAGES.name))
    with serving(site):
        get(site, tmp_path)
    assert (tmp_path / IMAGES.name).is_file()
    assert len(load_dataset(str(tmp_path), 8).train.images) == 7


def test_a_wrong_sum_is_refused_and_the_archive_removed(site: Site, tmp_path: Path) -> None:
    with serving(site), pytest.raises(UserError) as caught:
        fetch(tmp_path, site.url, pauses_s=())
    got = hashlib.md5(site.files[METADATA.name]).hexdigest()
    assert f"md5 is {got}, must be 0bca980978e3883f753f01ccad955981" in str(caught.value)
    assert [path.name for path in tmp_path.glob("MAMe*")] == []


def test_an_archive_that_lacks_images_is_told(site: Site, tmp_path: Path, make: Factory) -> None:
    less = make.mame(name="less")
    (less / "data_256" / "val.clay.0.png").unlink()
    site.files[IMAGES.name] = zipped(less / "data_256")
    with serving(site), pytest.raises(UserError, match="lacks 1 of 14 images"):
        get(site, tmp_path)


def test_an_unreachable_server_is_one_message_and_status_2(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(site):
        pass
    arguments = ["fetch", str(tmp_path), "--url", site.url]
    monkeypatch.setattr("mame_cnn.data.__main__.fetch", lambda *a: fetch(*a, pauses_s=()))
    assert exit_status(lambda: main(arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "cannot be reached" in error
    assert "Traceback" not in error


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="a folder is needed"):
        fetch(tmp_path / "file")


def test_nested_images_are_fetched_as_well(site: Site, tmp_path: Path, make: Factory) -> None:
    nested = make.mame(name="nested", images="MAMe_data_256/data_256")
    site.files[IMAGES.name] = zipped(nested / "MAMe_data_256")
    shutil.rmtree(nested)
    with serving(site):
        get(site, tmp_path)
    assert len(load_dataset(str(tmp_path), 8).train.images) == 7
