"""The page that holds all sheets."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mame_cnn.explaining.page import html_table, write_page

EVIL = "<script>\"a\" & 'b' / 木</script>"


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    image = np.full((30, 60, 3), (200, 10, 10), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "sheet.png")
    return tmp_path / "sheet.png"


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_names_are_shown_as_they_are_and_cannot_become_code(tmp_path: Path, sheet: Path) -> None:
    table = html_table([EVIL], [[EVIL]], [True])
    write_page(tmp_path / "p.html", EVIL, {EVIL: EVIL}, [EVIL], table, {sheet: (EVIL, EVIL)})
    page = read(tmp_path / "p.html")
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(EVIL) == 9
    [image] = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image["alt"] == EVIL


def test_a_page_needs_nothing_else(tmp_path: Path, sheet: Path) -> None:
    write_page(
        tmp_path / "p.html", "What it looks at", {}, [], "", {sheet: ("Sheet", "All of it.")}
    )
    text = (tmp_path / "p.html").read_text()
    assert not re.search(r"https?://|src=\"(?!data:)|href=\"(?!data:)", text)
    [encoded] = re.findall(r"data:image/webp;base64,([^\"]+)", text)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        assert image.size == (60, 30)
        assert np.abs(np.asarray(image.convert("RGB"))[15, 30] - [200.0, 10, 10]).max() < 12


def test_a_sheet_too_long_for_webp_is_kept_as_it_is(tmp_path: Path) -> None:
    Image.new("RGB", (2, 16384), "white").save(tmp_path / "long.png")
    write_page(
        tmp_path / "p.html", "Long", {}, [], "", {tmp_path / "long.png": ("Sheet", "Long.")}
    )
    assert "data:image/png;base64," in (tmp_path / "p.html").read_text()


def test_marked_rows_are_told_apart() -> None:
    table = html_table(["class"], [["bronze"], ["clay"]], [False, True])
    assert table.index("bronze") < table.index("class=marked") < table.index("clay")
