"""Pieces of HTML made of a study's words and numbers; all of them escape what they are given."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from markdown_it import MarkdownIt

from search.diagnosis import Finding


def table(header: Sequence[str], rows: Iterable[Sequence[object]], right: int = 0) -> str:
    """Return a table that a narrow screen moves sideways.

    Args:
        right: how many columns, the last ones, hold numbers.
    """
    first = len(header) - right

    def cells(row: Sequence[object], tag: str) -> str:
        starts = (
            f"<{tag}>" if place < first else f'<{tag} class="n">' for place in range(len(row))
        )
        return "".join(
            f"{start}{escape(str(cell))}</{tag}>" for start, cell in zip(starts, row, strict=True)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells(header, "th")}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def paragraphs(lines: Iterable[str]) -> str:
    """Return each line as a paragraph."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """Return lines as a list; nothing for no lines."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def tiles(figures: Mapping[str, str]) -> str:
    """Return figures, by what they are, as large numbers beside each other."""
    found = "".join(
        f'<div class="tile"><b>{escape(figure)}</b><span>{escape(name)}</span></div>'
        for name, figure in figures.items()
    )
    return f'<div class="tiles">{found}</div>'


def findings(found: Iterable[Finding]) -> str:
    """Return findings as a list, coloured and named by severity."""
    items = "".join(
        f'<li class="{escape(one.severity)}"><span class="badge">{escape(one.severity)}</span> '
        f'{escape(one.message)}<span class="next">{escape(one.next_step)}</span></li>'
        for one in found
    )
    return f'<ul class="findings">{items}</ul>' if items else ""


def folded(summary: str, html: str, *, is_long: bool = False) -> str:
    """Return HTML behind a line that opens it.

    Args:
        is_long: whether paper leaves it out, unless it is open on the screen.
    """
    long = " data-long" if is_long else ""
    return f"<details{long}><summary>{escape(summary)}</summary>{html}</details>"


def picture(content: bytes, kind: str, caption: str) -> str:
    """Return a picture that stands in the page itself.

    Args:
        kind: of the content, such as `image/png`.
    """
    source = f"data:{escape(kind)};base64,{base64.b64encode(content).decode()}"
    said = escape(caption)
    return f'<figure><img src="{source}" alt="{said}"><figcaption>{said}</figcaption></figure>'


def markdown(text: str) -> str:
    """Return Markdown as HTML: tags in it are shown as text, and pictures are not fetched."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    html: str = reader.render(text)
    return html.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )
