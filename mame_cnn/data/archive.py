"""A ZIP archive unpacked whole or not at all, and never outside its folder.

All members are judged by the central directory before the first is written: no absolute
path, none that leaves the folder, no link, and no more than stated limits and the disk allow.
Checksums are verified on the way, in a temporary folder.
"""

import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from rich.progress import Progress

from commands.counting import counted
from commands.errors import UserError
from mame_cnn.data.listing import some
from mame_cnn.data.progress import bar

LIMIT_BYTES = 8 * 2**30  # MAMe at 256 x 256 unpacks to 1 to 2 GiB
LIMIT_FILES = 200_000  # it has 37,407
# NotImplementedError is a compression that Python lacks, ValueError a name that is not UTF-8.
DAMAGED = (BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, ValueError)
PARTIAL = ".unpack-"
JUNK = "__MACOSX/"


def unpack(
    path: Path,
    folder: Path,
    limit_bytes: int = LIMIT_BYTES,
    limit_files: int = LIMIT_FILES,
    progress: bool = True,
) -> Path:
    """Unpack an archive into the folder and return the folder that its content became.

    One top folder keeps its name; anything else goes into a folder named as the archive.
    Files of the same name are replaced, others in the way are left alone.
    """
    for leftover in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with ZipFile(path) as archive, bar(progress) as display:
            members = [m for m in archive.infolist() if not m.filename.startswith(JUNK)]
            _check(path, folder, members, limit_bytes, limit_files)
            partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
            try:
                _extract(archive, members, partial, display)
                partial.chmod(0o755)  # mkdtemp makes it private
                return _move_in(partial, folder, path.stem)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except DAMAGED as error:
        raise UserError(f"{path}: damaged archive, nothing was unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:  # bzip2's, for a damaged stream
            raise UserError(f"{path}: damaged archive, nothing was unpacked: {error}") from error
        fault = (error.strerror or str(error)).lower()
        raise UserError(f"{folder}: cannot unpack {path.name}: {fault}") from error


def _check(
    path: Path, folder: Path, members: Sequence[ZipInfo], limit_bytes: int, limit_files: int
) -> None:
    faults = [f"{m.orig_filename!r}: {fault}" for m in members if (fault := _fault(m))]
    if faults:
        head = f"{path}: refused, nothing was unpacked; {counted(len(faults), 'unsafe member')}:"
        raise UserError("\n".join([head, *some(faults)]))
    n_bytes = sum(member.file_size for member in members)
    if n_bytes > limit_bytes or len(members) > limit_files:
        raise UserError(
            f"{path}: refused: {counted(len(members), 'member')} of {n_bytes / 2**20:,.0f} MiB; "
            f"at most {limit_files:,} of {limit_bytes / 2**20:,.0f} MiB are expected"
        )
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise UserError(
            f"{folder}: no room to unpack {path.name}: {n_bytes / 2**20:,.0f} MiB needed, "
            f"{free / 2**20:,.0f} MiB free"
        )


def _fault(member: ZipInfo) -> str:
    """Return why a member must not be unpacked, or nothing."""
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
    if not name or "\0" in name or "\\" in name:
        return "a name with a backslash or a null byte"
    if name.startswith("/") or name[1:2] == ":":
        return "an absolute path"
    if ".." in PurePosixPath(name).parts:
        return "leaves the folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or a device"
    return "encrypted" if member.flag_bits & 1 else ""


def _extract(
    archive: ZipFile, members: Sequence[ZipInfo], partial: Path, display: Progress
) -> None:
    task = display.add_task("unpacking", total=len(members))
    for member in members:
        target = partial / member.filename
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, 2**20)
        display.advance(task)


def _move_in(partial: Path, folder: Path, name: str) -> Path:
    top = list(partial.iterdir())
    single = len(top) == 1 and top[0].is_dir()
    source, target = (top[0], folder / top[0].name) if single else (partial, folder / name)
    if not target.exists():
        os.replace(source, target)
        return target
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        into = target / path.relative_to(source)
        into.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, into)
    return target
