"""One HTML page of all sheets and figures, which needs nothing else to be looked at."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from PIL import Image

_LARGEST_PX = 16383
"""A side that WebP can hold."""
_QUALITY = 88
_STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 1280px; margin: 0 auto; padding: 1rem 1.25rem 3rem }
h1 { font-size: 1.6rem; margin: 1rem 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem }
p { max-width: 46rem; margin: .5rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem }
dt { color: #666 } dd { margin: 0; overflow-wrap: anywhere }
.note { border-left: 3px solid #b3261e; padding-left: .8rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .9rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
th { font-weight: 600 } tr.marked td { color: #b3261e }
img { display: block; max-width: 100%; height: auto }
@media screen and (max-width: 700px) { .wide img { max-width: none; width: 860px } }
@media print { h2 { break-after: avoid } img { max-height: 24cm } }
"""


def write_page(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    notes: Sequence[str],
    table: str,
    sheets: Mapping[Path, tuple[str, str]],
) -> None:
    """Write the page.

    Args:
        notes: sentences that a reader must know.
        table: HTML that stands before the sheets.
        sheets: pictures, each with its heading and a sentence on how to read it.
    """
    told = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in facts.items())
    warned = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    pictures = "".join(_figure(sheet, *texts) for sheet, texts in sheets.items())
    path.write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1><dl>{told}</dl>{warned}\n{table}\n{pictures}</body></html>\n",
        encoding="utf-8",
    )


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[bool]) -> str:
    """Return a table, some of its rows marked."""
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = ""
    for row, is_marked in zip(rows, marked, strict=True):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        body += f"<tr{' class=marked' if is_marked else ''}>{cells}</tr>\n"
    return f'<div class="wide"><table><tr>{top}</tr>\n{body}</table></div>'


def _figure(path: Path, heading: str, text: str) -> str:
    with Image.open(path) as image:
        width, height = image.size
        kind, content = _compact(image, path)
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return (
        f"<h2>{escape(heading)}</h2><p>{escape(text)}</p>"
        f'<div class="wide"><img alt="{escape(heading)}" width="{width * 2 // 3}" '
        f'height="{height * 2 // 3}" src="{source}"></div>\n'
    )


def _compact(image: Image.Image, path: Path) -> tuple[str, bytes]:
    """Return a picture as WebP, a fraction of its PNG, where it is not too long for that."""
    if max(image.size) > _LARGEST_PX:
        return "png", path.read_bytes()
    content = io.BytesIO()
    image.convert("RGB").save(content, format="WEBP", quality=_QUALITY, method=4)
    return "webp", content.getvalue()
