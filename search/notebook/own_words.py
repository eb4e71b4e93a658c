"""What a person has written into an entry: found again, whichever copy it was written into.

An entry has two copies, the study's note and `notebook.md`. All above the last heading is written
by the program, into each copy with its own places of pictures; all below it by the person, and
kept letter by letter. What a person has written above it is moved below. A line that no reader
shows says of each copy how it was written, so that an old copy is not taken for an edited one.
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

HEADING = "### Own words"
INVITATION = (
    "*Write below: this section stays as it is, here and in notebook.md, whichever you edit.*"
)
_SEAL = re.compile(r"^\[//\]: # \(search\.notebook ([0-9a-f]{12}) ([0-9a-f]{12})\)$\n?", re.M)
"""A link that nothing refers to: every reader of Markdown leaves it out."""


@dataclass(frozen=True)
class Copy:
    """An entry as it was found, taken apart."""

    head: str
    own: str
    is_head_edited: bool
    """Whether a person has changed the program's part."""
    is_own_edited: bool
    """Whether the person's part is not what was last written there."""
    has_own: bool
    """Whether the heading of the person's part is still there."""


def sealed(head: str, own: str) -> str:
    """Return the entry made of both parts."""
    head, own = _without_heading(head).strip("\n"), own.strip("\n")
    seal = f"[//]: # (search.notebook {_digest(head)} {_digest(own)})"
    return "\n\n".join([head, seal, HEADING, INVITATION, *([own] if own else [])]) + "\n"


def taken_apart(text: str) -> Copy:
    """Return the parts of an entry that people may have edited."""
    text = text.replace("\r\n", "\n")
    seal = _SEAL.search(text)
    if seal is not None:
        text = text[: seal.start()] + text[seal.end() :]
    head, heading, own = f"\n{text}\n".partition(f"\n{HEADING}\n")
    head, own = head.strip("\n"), own.replace(f"{INVITATION}\n", "", 1).strip("\n")
    written = seal.groups() if seal is not None else ("", "")
    return Copy(
        head=head,
        own=own,
        is_head_edited=_digest(head) != written[0],
        is_own_edited=bool(heading) and _digest(own) != written[1],
        has_own=bool(heading),
    )


def readable(text: str) -> str:
    """Return an entry as it is to be read elsewhere: without title, seal and invitation."""
    copy = taken_apart(text)
    _, _, body = copy.head.partition("\n") if copy.head.startswith("# ") else ("", "", copy.head)
    return f"{body}\n\n{HEADING}\n\n{copy.own}" if copy.own else body


def kept(copies: Collection[Copy], known: Collection[str]) -> str:
    """Return all that a person has written, in whichever copy.

    Args:
        copies: the one that counts where none is edited comes first.
        known: digests of the lines that the program has written; see `line_digests`.
    """
    edited = [copy.own for copy in copies if copy.is_own_edited]
    unedited = [copy.own for copy in copies if copy.has_own]
    own = ""
    for text in edited or unedited[:1]:
        own = _joined(own, text)
    for copy in copies:
        if copy.is_head_edited:
            own = _joined(own, _strays(copy.head, known))
    return own


def line_digests(text: str) -> list[str]:
    """Return digests of the lines that say something."""
    return sorted({_line_digest(line) for line in text.splitlines() if line.strip()})


def _joined(text: str, more: str) -> str:
    """Return both texts, or the longer one if it holds the other."""
    if more in text:
        return text
    return more if text in more else f"{text}\n\n{more}"


def _strays(head: str, known: Collection[str]) -> str:
    """Return the lines that the program has not written, and the empty ones between them."""
    return "\n".join(_stray_lines(head, set(known))).strip("\n")


def _stray_lines(head: str, known: Collection[str]) -> Iterator[str]:
    is_inside = False
    for line in head.splitlines():
        if not line.strip():
            if is_inside:
                yield line
            continue
        is_inside = _line_digest(line) not in known
        if is_inside:
            yield line


def _without_heading(head: str) -> str:
    """Return the program's part without a line that would end it."""
    return f"\n{head}\n".replace(f"\n{HEADING}\n", f"\n\\{HEADING}\n")


def _line_digest(line: str) -> str:
    return _digest(line.strip())[:8]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
