import shutil
import stat
from collections import namedtuple
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from commands.errors import UserError
from mame_cnn.data.archive import unpack
from tests.mame_cnn.data.conftest import files_of_at_most

Usage = namedtuple("Usage", "total used free")


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_single_top_folder_keeps_its_name(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.zip", {"top/x.jpg": b"x", "top/in/y.jpg": b"y"})
    assert unpack(path, into) == into / "top"
    assert everything(into) == {"top/x.jpg": b"x", "top/in/y.jpg": b"y"}


def test_loose_files_get_a_folder_named_as_the_archive(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.zip", {"x.jpg": b"x", "y.jpg": b"y", "__MACOSX/z": b""})
    assert unpack(path, into) == into / "a"
    assert everything(into) == {"a/x.jpg": b"x", "a/y.jpg": b"y"}


def test_a_half_unpacked_folder_is_completed_and_other_files_stay(
    tmp_path: Path, into: Path
) -> None:
    (into / "top").mkdir()
    (into / "top" / "x.jpg").write_bytes(b"half")
    (into / "top" / "mine.txt").write_bytes(b"mine")
    unpack(archive(tmp_path / "a.zip", {"top/x.jpg": b"x", "top/in/y.jpg": b"y"}), into)
    assert everything(into) == {"top/x.jpg": b"x", "top/in/y.jpg": b"y", "top/mine.txt": b"mine"}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("../evil", "leaves the folder"),
        ("top/../../evil", "leaves the folder"),
        ("/tmp/evil", "an absolute path"),
        ("C:/evil", "an absolute path"),
        ("..\\evil", "a backslash"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused_whole(
    tmp_path: Path, into: Path, name: str, fault: str
) -> None:
    path = archive(tmp_path / "a.zip", {"top/x.jpg": b"x", name: b"evil"})
    with pytest.raises(UserError, match=fault):
        unpack(path, into)
    assert everything(tmp_path).keys() == {"a.zip"}


def test_a_link_is_refused(tmp_path: Path, into: Path) -> None:
    link = ZipInfo("top/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="'top/link': a link or a device"):
        unpack(tmp_path / "a.zip", into)


def test_all_unsafe_members_are_named_at_once(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.zip", {"../a": b"", "/b": b"", "fine": b""})
    with pytest.raises(UserError, match=r"2 unsafe members:\n.*'\.\./a'.*\n.*'/b'"):
        unpack(path, into)


def test_a_bomb_is_refused_by_its_announced_size(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.zip", {"top/zeros": bytes(2**21)})
    assert path.stat().st_size < 2**13
    with pytest.raises(UserError, match="refused: 1 member of 2 MiB; at most"):
        unpack(path, into, limit_bytes=2**20)
    with pytest.raises(UserError, match="at most 0 of"):
        unpack(path, into, limit_files=0)
    assert everything(into) == {}


def test_an_understated_size_is_found_out(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.zip", {"top/zeros": bytes(100_000)})
    honest = (100_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, (10).to_bytes(4, "little")))
    with pytest.raises(UserError, match="damaged archive"):
        unpack(path, into)
    assert everything(into) == {}


def test_too_small_a_disk_is_refused(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "a.zip", {"top/x": bytes(5 * 2**20)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2**20))
    with pytest.raises(UserError, match=r"no room to unpack a\.zip: 5 MiB needed, 1 MiB free"):
        unpack(path, into)


def test_a_damaged_member_leaves_nothing(tmp_path: Path, into: Path) -> None:
    content = bytes(range(256)) * 40
    path = tmp_path / "a.zip"
    with ZipFile(path, "w") as file:  # stored, so that the content is found in the archive
        file.writestr("top/a", b"fine")
        file.writestr("top/b", content)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(content) + 5000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"damaged archive.*Bad CRC-32.*top/b"):
        unpack(path, into)
    assert everything(into) == {}
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_archive_is_named(tmp_path: Path, into: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.zip: damaged archive"):
        unpack(tmp_path / "a.zip", into)


def test_what_a_killed_process_left_is_removed(tmp_path: Path, into: Path) -> None:
    (into / ".unpack-old").mkdir()
    unpack(archive(tmp_path / "a.zip", {"top/x": b""}), into)
    assert [path.name for path in into.iterdir()] == ["top"]


def test_a_disk_that_fills_up_is_named_and_nothing_stays(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.zip", {"top/x": bytes(5000)})
    with files_of_at_most(1000), pytest.raises(UserError, match=r"into: .*a\.zip: file too large"):
        unpack(path, into)
    assert list(into.iterdir()) == []
