import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from search.notebook.markdown import plain, table

READER = MarkdownIt("commonmark").enable("table")


def shown(markdown: str) -> str:
    """What a reader of Markdown shows as text, and nothing but text."""
    tokens = [child for token in READER.parse(markdown) for child in token.children or ()]
    kinds = {token.type for token in tokens}
    assert kinds <= {"text", "text_special"}, kinds
    return "".join(token.content for token in tokens)


@pytest.mark.parametrize(
    "text",
    [
        "<b>&\"'/",
        "a|b",
        "*x* _y_ `z` [l](u) ~~d~~",
        "l2_2 drop_rate_1 _private_ 陶磁器 Шёлк",
        "<script>alert(1)</script>",
        "&lt; \\| $x$",
    ],
)
def test_text_is_shown_letter_by_letter(text: str) -> None:
    assert shown(f"So: {plain(text)}") == f"So: {text}"


@given(st.text(st.sampled_from("ab_*`[]()<>&|\\~!#")))
def test_no_text_becomes_markup(text: str) -> None:
    assert shown(f"So: {plain(text)}.") == f"So: {text}."


def test_names_of_parameters_stay_readable() -> None:
    assert plain("l2_2 0.001, depth >= 3") == "l2_2 0.001, depth >= 3"


def test_a_cell_cannot_end_its_row() -> None:
    html = READER.render(table(("name", "n"), [("a|b\nc", 1)], right=1))
    assert "<td>a|b c</td>" in html
    assert '<td style="text-align:right">1</td>' in html
