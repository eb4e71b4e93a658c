"""What strangers name does nothing in a page that is written here: it is shown as it is."""

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from optuna_dashboard import get_note

from mame_cnn.data.summary_page import page as summary_page
from mame_cnn.evaluating.model_card import model_card
from mame_cnn.explaining.page import html_table, write_page
from mame_cnn.pictures.confusions import confusions_html
from search.notebook.__main__ import main as write_notebook
from search.notebook.markdown import prose
from search.report.__main__ import main as write_report
from search.space import Choice, Question
from search.trainer import Member
from tests.mame_cnn.small_models import make_model
from tests.search.fake_trainer import SPACE, FakeTrainer
from tests.search.predicting import left_by
from tests.search.small_studies import opened_in, searched

SCRIPT = "<script>alert(1)</script>"
PICTURE = "<img src=x onerror=alert(1)>"
ENDINGS = ("</title>", "</pre>", "</style>", "-->", "</script>", '">', "'>")
HOSTILE = (SCRIPT, PICTURE, *(ending + SCRIPT for ending in ENDINGS))
READER = MarkdownIt("commonmark", {"html": True}).enable("table")
"""Takes HTML for what it is, as Optuna's dashboard does."""


class Tags(HTMLParser):
    """Counts what a browser would run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.n_scripts = 0
        self.handlers: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.n_scripts += tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.handlers += [
            text for _, value in attrs if (text := value or "").startswith("javascript")
        ]


def raw_html(markdown: str) -> list[str]:
    """Return the HTML that a reader of Markdown would pass on as it is."""
    tokens = READER.parse(markdown)
    inside = [child for token in tokens for child in token.children or ()]
    return [
        token.content
        for token in (*tokens, *inside)
        if token.type in ("html_block", "html_inline")
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_summary_of_data_shows_names_as_they_are(text: str) -> None:
    found = Tags(summary_page(text, [text, f"{text}  12"], {}))
    assert (found.n_scripts, found.handlers) == (0, [])


@pytest.mark.parametrize("text", HOSTILE)
def test_an_explanation_shows_names_as_they_are(tmp_path: Path, text: str) -> None:
    table = html_table([text, "n"], [[text, "1"]], [False])
    write_page(tmp_path / "a.html", text, {text: text}, [text], table, {})
    found = Tags((tmp_path / "a.html").read_text())
    assert (found.n_scripts, found.handlers) == (0, [])


def test_confusion_matrices_show_names_as_they_are(tmp_path: Path) -> None:
    counts = np.array([[1, 2], [0, 3]])
    confusions_html(tmp_path / "sound.html", {"network": counts}, ["a", "b"])
    confusions_html(tmp_path / "a.html", {SCRIPT: counts, PICTURE: counts}, [SCRIPT, PICTURE])
    sound, found = (Tags((tmp_path / name).read_text()) for name in ("sound.html", "a.html"))
    assert (found.n_scripts, found.handlers) == (sound.n_scripts, sound.handlers)


def test_a_model_card_holds_no_html_of_names(tmp_path: Path) -> None:
    model = replace(
        make_model(classes=(SCRIPT, PICTURE, "clay", "silk")),
        data_name=SCRIPT,
        provenance={"study": SCRIPT, "training": {"environment": {SCRIPT: PICTURE}}},
    )
    assert raw_html(model_card(model, tmp_path / "run", ())) == []


@pytest.mark.parametrize("text", [*HOSTILE, f"`{SCRIPT}`", f"`\n\n{SCRIPT}\n\n`", f"\\\\{SCRIPT}"])
def test_a_persons_markdown_in_a_note_holds_no_html(text: str) -> None:
    assert raw_html(prose(text)) == []
    assert raw_html(f"A paragraph.\n\n{prose(text)}\n") == []


@settings(deadline=None)  # the machine may be busy
@given(st.text(st.sampled_from("ab<>/!?\\`\"'= \n-[]&;:x"), max_size=40))
def test_no_text_becomes_html(text: str) -> None:
    assert raw_html(prose(text)) == []


def test_many_backslashes_take_no_time() -> None:
    # Quadratic time would be minutes.
    assert prose("\\" * 10**6) == "\\" * 10**6


def test_a_persons_markdown_stays_what_it_is_otherwise() -> None:
    text = "**bold** [x](y) a < b, <https://example.org/a>, x<3, `code`\n\n- one"
    assert prose(text) == text


@pytest.fixture
def hostile_study(tmp_path: Path) -> Iterator[Path]:
    name = PICTURE

    def fail(member: Member, epoch: int) -> str | None:
        return f"diverged {SCRIPT}" if member.key == 1 and epoch == 2 else None

    data = {
        "name": SCRIPT,
        "source": SCRIPT,
        "digest": "d" * 12,
        "classes": [SCRIPT, PICTURE, "</title>", "clay"],
        "counts": {"train": [1, 2, 3, 4]},
    }
    space = replace(
        SPACE,
        title=SCRIPT,
        question=Question(SCRIPT, PICTURE, f"`\n\n{SCRIPT}", builds_on=(SCRIPT,)),
        parameters=(*SPACE.parameters, Choice("note", options=(SCRIPT, PICTURE), source=SCRIPT)),
    )
    trainer = FakeTrainer(
        data=data,
        before_epoch=fail,
        files=lambda member: left_by(range(20 + member.key)),
        environment={"commit": SCRIPT, "torch": PICTURE},
    )
    searched(tmp_path, 4, name=name, space=space, trainer=trainer, artifacts=tmp_path / "a")
    yield tmp_path
    note = str(get_note(opened_in(tmp_path, space, trainer, name).study))
    assert SCRIPT.replace("<", "\\<", 1)[:9] in note
    assert raw_html(note) == []


def test_a_note_and_the_notebook_hold_no_html_of_names(hostile_study: Path) -> None:
    storage = str(hostile_study / "journal.log")
    assert write_notebook(["--storage", storage, "--artifacts", str(hostile_study / "a")]) == 0
    for path in (hostile_study / "notebook.md", hostile_study / PICTURE / "notebook.md"):
        assert raw_html(path.read_text()) == [], path


def test_a_report_shows_names_as_they_are(hostile_study: Path) -> None:
    storage, out = str(hostile_study / "journal.log"), hostile_study / "report.html"
    arguments = [PICTURE, "--storage", storage, "--artifacts", str(hostile_study / "a")]
    assert write_report([*arguments, "--out", str(out)]) == 0
    found = Tags(out.read_text())
    assert (found.n_scripts, found.handlers) == (3, [])
