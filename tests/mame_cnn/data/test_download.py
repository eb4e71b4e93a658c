import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from commands.errors import UserError
from mame_cnn.data.download import download
from tests.mame_cnn.data.conftest import files_of_at_most
from tests.mame_cnn.data.server import Site, serving

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


class Pauses(list[float]):
    """A sleep that only remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def get(site: Site, target: Path, pauses_s: tuple[float, ...] = (1, 2, 4)) -> Pauses:
    slept = Pauses()
    download(f"{site.url}/a.zip", target, pauses_s=pauses_s, sleep=slept)
    return slept


def test_a_file_arrives_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    with serving(Site({"a.zip": CONTENT})) as site:
        assert get(site, tmp_path / "a.zip") == []
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_download_that_breaks_off_is_resumed_where_it_stopped(tmp_path: Path) -> None:
    with serving(Site({"a.zip": CONTENT}, break_after=[300_000, 400_000])) as site:
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked for _, asked, _ in site.requests] == [None, "bytes=300000-", "bytes=700000-"]


def test_another_run_resumes_what_an_earlier_one_left(tmp_path: Path) -> None:
    site = Site({"a.zip": CONTENT}, break_after=[300_000])
    with serving(site):
        with pytest.raises(UserError, match="300,000 bytes are kept"):
            get(site, tmp_path / "a.zip", pauses_s=())
        assert not (tmp_path / "a.zip").exists()
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert site.requests[1][1:] == ("bytes=300000-", '"v1"')


def test_a_file_that_changed_meanwhile_is_not_glued(tmp_path: Path) -> None:
    site = Site({"a.zip": CONTENT}, break_after=[300_000])
    with serving(site):
        with pytest.raises(UserError):
            get(site, tmp_path / "a.zip", pauses_s=())
        site.files["a.zip"], site.etag = CONTENT[::-1], '"v2"'
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    with serving(Site({"a.zip": CONTENT}, has_ranges=False, break_after=[300_000])) as site:
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_an_exact_version_nothing_is_continued(tmp_path: Path, etag: str) -> None:
    with serving(Site({"a.zip": CONTENT}, etag=etag, break_after=[300_000])) as site:
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert [asked for _, asked, _ in site.requests] == [None, None]


def test_a_part_that_is_complete_already_is_taken(tmp_path: Path) -> None:
    site = Site({"a.zip": CONTENT}, break_after=[300_000])
    with serving(site):
        with pytest.raises(UserError):
            get(site, tmp_path / "a.zip", pauses_s=())
        (tmp_path / "a.zip.part").write_bytes(CONTENT)
        assert get(site, tmp_path / "a.zip") == []
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path: Path) -> None:
    site = Site({"a.zip": CONTENT}, break_after=[300_000])
    with serving(site):
        with pytest.raises(UserError):
            get(site, tmp_path / "a.zip", pauses_s=())
        (tmp_path / "a.zip.part").write_bytes(CONTENT + b"more")
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_garbled_record_of_the_part_starts_over(tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"something else")
    (tmp_path / "a.zip.part.json").write_text("{")
    with serving(Site({"a.zip": CONTENT})) as site:
        get(site, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_pauses_grow_and_start_anew_when_bytes_arrive(tmp_path: Path) -> None:
    site = Site({"a.zip": CONTENT}, statuses=[503, 500], break_after=[1000])
    with serving(site):
        assert get(site, tmp_path / "a.zip") == [1, 2, 1]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_attempts_without_progress_come_to_an_end(tmp_path: Path) -> None:
    site = Site({"a.zip": CONTENT}, has_ranges=False, break_after=[1000] * 20)
    with serving(site), pytest.raises(UserError, match="broke off after 1,000 of 1,024,000"):
        get(site, tmp_path / "a.zip")
    assert len(site.requests) == 4  # one after each of three pauses


def test_a_file_that_is_not_there_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving(Site({})) as site, pytest.raises(UserError, match=r"a\.zip: HTTP 404"):
        get(site, tmp_path / "a.zip")
    assert len(site.requests) == 1


def test_an_unreachable_server_is_named_after_every_pause(tmp_path: Path) -> None:
    with serving(Site({})) as site:
        pass
    slept = Pauses()
    with pytest.raises(UserError, match="cannot be reached"):
        download(f"{site.url}/a.zip", tmp_path / "a.zip", pauses_s=(1, 2), sleep=slept)
    assert slept == [1, 2]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "x/y"])
def test_only_http_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="must start with http"):
        download(url, tmp_path / "a.zip")


def test_too_small_a_disk_is_refused_before_the_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1000))
    with (
        serving(Site({"a.zip": CONTENT})) as site,
        pytest.raises(UserError, match="1 MiB are still to come, 0 MiB are free"),
    ):
        get(site, tmp_path / "a.zip")


@pytest.mark.parametrize("n_bytes", [5000, 1_000_000])
def test_a_disk_that_fills_up_is_no_fault_of_the_network(tmp_path: Path, n_bytes: int) -> None:
    with (
        serving(Site({"a.zip": CONTENT[:n_bytes]})) as site,
        files_of_at_most(1000),
        pytest.raises(UserError, match=r"a\.zip\.part: cannot be written: File too large"),
    ):
        get(site, tmp_path / "a.zip")
    assert len(site.requests) == 1
