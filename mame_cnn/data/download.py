"""One file over HTTP, resumed where it broke off, in this run or in an earlier one.

What has arrived lies in FILE.part, and FILE.part.json says which version of the file it
belongs to. Only the same version is continued (If-Range, RFC 9110, section 13.1.5); a server
that ignores ranges, or has a new version, starts over.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from rich.progress import Progress

from commands.errors import UserError
from mame_cnn.data.progress import byte_bar

PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before each further attempt; starts anew when bytes arrive
TIMEOUT_S = 60.0  # without a single byte
CHUNK_BYTES = 2**18
N_DIGITS = 18  # of a number of bytes, which a server may make up
LIMIT_BYTES = 16 * 2**30  # the archive of MAMe's images has 1 to 2 GiB
RETRIED = frozenset((408, 425, 429, 500, 502, 503, 504))  # the server may recover from these


class _BrokenOffError(Exception):
    """An attempt ended early; another may get further."""


@dataclass(frozen=True)
class _Version:
    """Which version of which file a part belongs to; `validator` is an ETag or a date."""

    url: str
    validator: str
    n_bytes: int | None


def download(
    url: str,
    target: Path,
    *,
    pauses_s: tuple[float, ...] = PAUSES_S,
    sleep: Callable[[float], None] = time.sleep,
    progress: bool = True,
) -> None:
    """Download a file to `target`, which appears only when it is complete."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url}: must start with http:// or https://")
    part = target.with_name(target.name + ".part")
    n_failed, furthest = 0, _size(part)
    with byte_bar(progress) as display:
        while True:
            try:
                _attempt(url, part, display)
                break
            except _BrokenOffError as error:
                n_failed = 1 if _size(part) > furthest else n_failed + 1
                furthest = max(furthest, _size(part))
                if n_failed > len(pauses_s):
                    kept = f"; {furthest:,} bytes are kept for the next try" if furthest else ""
                    raise UserError(f"{url}: {error}{kept}") from error
                pause_s = pauses_s[n_failed - 1]
                print(f"{target.name}: {error}; again in {pause_s:g} s", file=sys.stderr)
                sleep(pause_s)
    os.replace(part, target)
    _version_file(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, display: Progress) -> None:
    """Fetch what is lacking; return when the part is complete."""
    version = _read_version(part, url)
    have = _size(part) if version and version.validator else 0
    headers = {"User-Agent": "mame-cnn-search", "Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version.validator}
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as response:
            _receive(response, url, part, have, version, display)
    except HTTPError as error:
        with error:
            _judge(error, url, part, have)
    except URLError as error:
        raise _BrokenOffError(f"cannot be reached ({error.reason})") from error
    except (HTTPException, OSError) as error:
        raise _broken_off(error) from error


def _receive(
    response: HTTPResponse,
    url: str,
    part: Path,
    have: int,
    version: _Version | None,
    display: Progress,
) -> None:
    """Write an answer's body behind what is there (206), or instead of it (200)."""
    if response.status == 206:
        start, total = _content_range(response.headers.get("Content-Range", ""))
        if version is None or start != have or total != version.n_bytes:
            _discard(part)
            raise _BrokenOffError("the server sent another range than asked for")
    else:
        have, total = 0, _number(response.headers.get("Content-Length"))
        _discard(part)
        _start(part, _Version(url, _validator(response), total))
    _check_room(part, (total or 0) - have)
    task = display.add_task(part.stem, total=total, completed=have)
    try:
        with _disk_faults_named(part), part.open("ab") as file:
            while chunk := _read(response):
                if file.tell() + len(chunk) > LIMIT_BYTES:
                    raise UserError(f"{url}: sends more than {LIMIT_BYTES / 2**30:,.0f} GiB")
                file.write(chunk)
                display.advance(task, len(chunk))
    finally:
        display.remove_task(task)
    if total is not None and _size(part) < total:
        raise _BrokenOffError(f"broke off after {_size(part):,} of {total:,} bytes")
    if total is not None and _size(part) > total:
        _discard(part)
        raise _BrokenOffError(f"more than the announced {total:,} bytes came")


def _judge(error: HTTPError, url: str, part: Path, have: int) -> None:
    """Decide what an HTTP error means: complete after all, try again, or give up."""
    if error.code == 416:  # the part is as long as the file, or longer
        total = _number(error.headers.get("Content-Range", "").rpartition("/")[2])
        if have and total == have:
            return
        _discard(part)
        raise _BrokenOffError("the part does not fit the file; starting over")
    if error.code in RETRIED:
        raise _BrokenOffError(f"HTTP {error.code} {error.reason}")
    raise UserError(f"{url}: HTTP {error.code} {error.reason}")


def _validator(response: HTTPResponse) -> str:
    """Return what identifies a version of a file exactly; a weak ETag (W/) does not."""
    etag: str = response.headers.get("ETag", "")
    return (
        etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    )


def _content_range(value: str) -> tuple[int | None, int | None]:
    """Return the first byte and the whole length of `bytes 5-9/10`."""
    span, _, total = value.removeprefix("bytes ").partition("/")
    return _number(span.partition("-")[0]), _number(total)


def _number(text: str | None) -> int | None:
    is_number = text and text.isascii() and text.isdigit() and len(text) <= N_DIGITS
    return int(text) if text and is_number else None


def _version_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_version(part: Path, url: str) -> _Version | None:
    try:
        version = _Version(**json.loads(_version_file(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return version if version.url == url else None


def _start(part: Path, version: _Version) -> None:
    with _disk_faults_named(part):
        _version_file(part).write_text(json.dumps(asdict(version)), encoding="utf-8")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_room(part: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if n_bytes > free:
        raise UserError(
            f"{part.parent}: no room: {n_bytes / 2**20:,.0f} MiB are still to come, "
            f"{free / 2**20:,.0f} MiB are free"
        )


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except (HTTPException, OSError) as error:
        raise _broken_off(error) from error


def _broken_off(error: Exception) -> _BrokenOffError:
    return _BrokenOffError(f"broke off ({error or type(error).__name__})")


@contextmanager
def _disk_faults_named(part: Path) -> Iterator[None]:
    """Tell a fault of the disk, also when a file is closed, from one of the network."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{part}: cannot be written: {error.strerror}") from error
