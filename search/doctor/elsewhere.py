"""What other journals beside this one mention: several may keep their files in one folder.

They are searched as text, so that damage in one of them does not make its files look forgotten.
"""

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from search.storages.journal import is_journal
from search.storages.journal_line import LONGEST
from search.storages.storage import DEFAULT_STORAGE

_NAMES = re.compile(rb'"artifacts:([^"]{1,100})"|"identity":\s*"([0-9a-f]{1,32})"')


def mentioned_elsewhere(folder: Path, own: Path | None) -> Collection[str]:
    """Return ids of artifacts and identities of studies that other journals mention.

    Args:
        folder: where journals are looked for, beside the default one.
        own: the journal that is examined itself; None for a database.
    """
    mentioned: set[str] = set()
    for path in _journals(folder, own):
        with path.open("rb") as file:
            for line in iter(partial(file.readline, LONGEST), b""):
                found = (first or second for first, second in _NAMES.findall(line))
                mentioned |= {name.decode("latin-1") for name in found}
    return mentioned


def _journals(folder: Path, own: Path | None) -> Iterator[Path]:
    paths = {path.resolve() for path in [*folder.glob("*.log"), Path(DEFAULT_STORAGE)]}
    for path in sorted(paths - {own.resolve() if own else None}):
        if path.is_file() and is_journal(path):
            yield path
