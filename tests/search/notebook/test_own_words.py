import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.notebook.own_words import (
    HEADING,
    kept,
    line_digests,
    readable,
    sealed,
    taken_apart,
)

HEAD = "# Dropout\n\n## Observations\n\n- It overfits."
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85"))


PICTURE = "![Curves of trial 3]"
IN_NOTE = f"{HEAD}\n\n{PICTURE}(/artifacts/0/3/ab-cd)"
IN_FILE = f"{HEAD}\n\n{PICTURE}(pictures/trial-3-ab.png)"


def own_of(*texts: str, head: str = HEAD) -> str:
    return kept([taken_apart(text) for text in texts], line_digests(head))


@given(st.lists(LINES.map(lambda line: line.replace("\u2028", "").replace("\u2029", ""))))
def test_words_come_back_letter_by_letter(lines: list[str]) -> None:
    words = "\n".join(lines).strip("\n")
    assert own_of(sealed(HEAD, words), sealed(HEAD, words)) == words


def test_an_entry_as_it_was_written_has_no_edits() -> None:
    copy = taken_apart(sealed(HEAD, "Mine."))
    assert (copy.head, copy.own) == (HEAD, "Mine.")
    assert not copy.is_head_edited
    assert not copy.is_own_edited


@pytest.mark.parametrize("edited_first", [True, False])
def test_the_copy_that_was_edited_counts(edited_first: bool) -> None:
    old = sealed(HEAD, "Before.")
    new = old.replace("Before.", "After.")
    assert own_of(*((new, old) if edited_first else (old, new))) == "After."


def test_of_two_edited_copies_both_are_kept() -> None:
    old = sealed(HEAD, "")
    assert own_of(old + "\nIn the note.\n", old + "\nIn the file.\n") == (
        "In the note.\n\nIn the file."
    )


def test_an_old_copy_that_nobody_edited_does_not_come_back() -> None:
    assert own_of(sealed(HEAD, "New."), sealed("# Old\n\nOld outcomes.", "Old.")) == "New."


def test_words_that_were_deleted_stay_deleted() -> None:
    old = sealed(HEAD, "Wrong.")
    assert own_of(old.replace("Wrong.", ""), old) == ""


def test_what_is_written_above_the_heading_is_moved_below_it() -> None:
    text = sealed(HEAD, "Mine.").replace("- It overfits.", "- It overfits.\n\nI doubt it.\n\nSo.")
    assert own_of(text) == "Mine.\n\nI doubt it.\n\nSo."


def test_a_rewritten_note_is_kept_whole_beside_the_words_of_the_file() -> None:
    assert own_of("Mine alone.", sealed(HEAD, "Of the file.")) == "Of the file.\n\nMine alone."


@pytest.mark.parametrize("old", [IN_NOTE, IN_FILE])
@pytest.mark.parametrize("words", ["", "Mine.", f"{PICTURE}(mine.png)"])
def test_copies_that_show_pictures_from_their_own_places_have_no_edits(
    old: str, words: str
) -> None:
    copies = sealed(IN_NOTE, words), sealed(IN_FILE, words)
    both = f"{IN_NOTE}\n{IN_FILE}"
    assert own_of(*copies, head=both) == words
    # Nor where a person has taken one copy for both, with its seal or without.
    assert own_of(sealed(old, words), sealed(old, words), head=both) == words
    bare = f"{old}\n\n{HEADING}\n\n{words}\n"
    assert own_of(bare, copies[1], head=both) == words


def test_a_picture_that_a_person_puts_among_the_programs_is_moved_below() -> None:
    edited = sealed(IN_NOTE, "Mine.").replace("(/artifacts/0/3/ab-cd)", "(/artifacts/0/9/ef)")
    both = f"{IN_NOTE}\n{IN_FILE}"
    assert own_of(edited, sealed(IN_FILE, "Mine."), head=both) == (
        f"Mine.\n\n{PICTURE}(/artifacts/0/9/ef)"
    )


def test_windows_line_ends_are_no_edit() -> None:
    text = sealed(HEAD, "One.\nTwo.").replace("\n", "\r\n")
    assert own_of(text) == "One.\nTwo."
    assert not taken_apart(text).is_own_edited


def test_a_hypothesis_cannot_pose_as_the_heading() -> None:
    head = f"# Title\n\n{HEADING}\n\nNot mine."
    assert taken_apart(sealed(head, "Mine.")).own == "Mine."


def test_a_reader_elsewhere_sees_neither_title_nor_seal_nor_empty_section() -> None:
    assert readable(sealed(HEAD, "")).strip() == "## Observations\n\n- It overfits."
    assert readable(sealed(HEAD, "Mine.")).endswith(f"{HEADING}\n\nMine.")
