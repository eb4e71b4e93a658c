"""The two copies of an entry: the study's note, and `notebook.md` in the study's folder.

They say the same, but for the lines that show a picture, which each finds elsewhere.
"""

import os
from pathlib import Path

from optuna.study import Study

from commands.errors import naming
from search.notebook.own_words import kept, line_digests, sealed, taken_apart
from search.storages.storage import Place
from search.studies.sound import study_folder

FILE = "notebook.md"
_LINES = "notebook_lines"
"""The study attribute with digests of the lines that the program wrote last."""


def entry_path(place: Place, name: str) -> Path:
    """Return where a study's entry is written."""
    return study_folder(place, name) / FILE


def write_copies(place: Place, study: Study, *, in_note: str, in_file: str) -> None:
    """Write an entry into both copies, with all that a person has written into either.

    Args:
        in_note: the program's part of the note; `in_file` likewise of the file.
    """
    from optuna_dashboard import get_note, save_note  # imports scikit-learn: seconds

    path = entry_path(place, study.study_name)
    file = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    copies = [taken_apart(text) for text in (get_note(study), file) if text.strip()]
    digests = line_digests(f"{in_note}\n{in_file}")
    own = kept(copies, {*digests, *study.user_attrs.get(_LINES, ())})
    # The file first: where the disk is full, the note still has what the person wrote there.
    write_file(path, sealed(in_file, own))
    text = sealed(in_note, own)
    if get_note(study) != text:
        save_note(study, text)
        study.set_user_attr(_LINES, digests)


def set_aside(place: Place, name: str) -> None:
    """Give another name to an entry that lies where a new study's will."""
    path = entry_path(place, name)
    if not path.exists():
        return
    n = 1
    while (free := path.with_name(f"{path.stem}-{n}{path.suffix}")).exists():
        n += 1
    path.replace(free)


def write_file(path: Path, text: str | bytes) -> None:
    """Write a file whole or not at all; one that says so already is left alone."""
    content = text.encode(errors="replace") if isinstance(text, str) else text
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path):
            unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
