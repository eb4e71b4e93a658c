"""The HTML page of a report: one file with all that it needs, which asks the network for nothing.

Whatever comes from a study is escaped here or in `markup`. The page says itself what a browser may
run: the two scripts written here, told by their digests, and nothing from anywhere else.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from search.report.look import CSS
from search.report.script import SCRIPT


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading."""

    heading: str
    anchor: str
    html: str


@dataclass
class Figures:
    """The figures of a page, which keeps them as data and draws them when they come into sight."""

    found: list[go.Figure]

    def place(self, figure: go.Figure, caption: str = "", *, is_wide: bool = False) -> str:
        """Return where a figure will be drawn.

        Args:
            is_wide: whether a narrow screen shows it at full size, to be moved sideways.
        """
        self.found.append(figure)
        height = int(figure.layout.height)
        place = (
            f'<div class="plot" data-figure="{len(self.found) - 1}" style="height:{height}px">'
            "</div>"
        )
        said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return f'<figure><div class="{"wide" if is_wide else "fit"}">{place}</div>{said}</figure>'

    def json(self) -> str:
        """Return all figures as JSON that can stand inside a page."""
        figures = ",".join(figure.to_json() for figure in self.found)
        return _inside_a_page(f"[{figures}]")


def page(title: str, lead: str, sections: Sequence[Section], figures: Figures, foot: str) -> str:
    """Return the whole page.

    Args:
        title: plain text, as `lead` and `foot` are.
    """
    plotly, own = get_plotlyjs(), SCRIPT
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        f"base-uri 'none'; form-action 'none'; script-src {_digest(plotly)} {_digest(own)}"
    )
    links = "".join(
        f'<li><a href="#{escape(part.anchor)}">{escape(part.heading)}</a></li>'
        for part in sections
    )
    body = "".join(
        f'<section id="{escape(part.anchor)}"><h2>{escape(part.heading)}</h2>{part.html}</section>'
        for part in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<header class="top"><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></header>'
        f"<nav><ul>{links}</ul></nav>\n<main>{body}"
        f"<footer>{escape(foot)}</footer></main>\n"
        f'<script type="application/json" id="figures">{figures.json()}</script>\n'
        f"<script>{plotly}</script>\n<script>{own}</script>\n</body>\n</html>\n"
    )


def _inside_a_page(text: str) -> str:
    """Return JSON in which nothing can end the script that it stands in."""
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _digest(script: str) -> str:
    """Return a script as a Content-Security-Policy names it."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
