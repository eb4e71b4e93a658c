"""The summary of a data set as a folder: its pictures, and one page that needs nothing else."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

from commands.errors import UserError
from mame_cnn.data.pictures import CAPTIONS

PAGE = "summary.html"
_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
  padding: 0 1rem; }
pre { overflow-x: auto; background: #f6f7f8; padding: 1rem; font-size: 12px; line-height: 1.4; }
figure { margin: 2.5rem 0; break-inside: avoid; }
figcaption { font-weight: 600; margin-bottom: 0.5rem; }
img { max-width: 100%; height: auto; }
@media print { pre { white-space: pre-wrap; } body { margin: 0; } }"""


def write_summary(
    folder: Path, title: str, lines: Sequence[str], pictures: Mapping[str, bytes]
) -> list[Path]:
    """Write the pictures and the page, each whole or not at all; return what was written."""
    if folder.suffix.lower() in (".png", ".html"):
        raise UserError(f"--out {folder}: give a folder; several pictures and a page go there")
    files = {**pictures, PAGE: page(title, lines, pictures).encode()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"--out {folder}: {error.filename} is a file, not a folder") from error
    except OSError as error:
        raise UserError(f"--out {folder}: {(error.strerror or str(error)).lower()}") from error
    return [folder / name for name in files]


def page(title: str, lines: Sequence[str], pictures: Mapping[str, bytes]) -> str:
    """Return the page as HTML."""
    figures = "\n".join(
        f"<figure><figcaption>{escape(caption)}</figcaption>\n"
        f'<img alt="{escape(caption)}" src="data:image/png;base64,'
        f'{b64encode(pictures[name]).decode("ascii")}"></figure>'
        for name, caption in CAPTIONS.items()
        if name in pictures
    )
    text = escape("\n".join(lines))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<pre>{text}</pre>\n{figures}\n</body>\n</html>\n"
    )


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
