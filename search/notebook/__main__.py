"""`python -m search.notebook`: write the entries of all studies anew, and the index of them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from commands.errors import UserError, exit_status
from search.files.artifacts import Artifacts, open_artifacts
from search.notebook.asked import NUMBER, number_studies
from search.notebook.concluding import conclude
from search.notebook.copies import FILE, entry_path, write_file
from search.notebook.index import index
from search.place_options import add_artifacts, add_storage
from search.storages.storage import Place, open_storage
from search.studies.loading import load_study

_EXAMPLES = """examples:
  python -m search.notebook
  python -m search.notebook --storage postgresql://host/studies
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write entries and index."""
    options = _parser().parse_args(argv)
    place = open_storage(options.storage, create=False)
    path = options.out or place.folder / FILE
    if path.is_dir():
        raise UserError(f"--out {path}: is a folder; give a file, such as {path / FILE}")
    names = write_notebook(place, open_artifacts(options.artifacts), path)
    for name in names:
        print(entry_path(place, name))
    print(f"{path}: {len(names)} {'study' if len(names) == 1 else 'studies'}")
    return 0


def write_notebook(place: Place, artifacts: Artifacts, path: Path) -> list[str]:
    """Write all entries anew and their index to a path; return the studies' names by number."""
    names = write_entries(place, artifacts)
    studies = [load_study(place, name) for name in names]
    entries = {name: entry_path(place, name).resolve() for name in names}
    page = path.resolve()
    files = {name: _relative(entry, page.parent) for name, entry in entries.items()}
    write_file(path, index(studies, files))
    return names


def write_entries(place: Place, artifacts: Artifacts) -> list[str]:
    """Write every study's entry anew, and return the studies' names by number.

    In the order of numbers, so that an entry tells the newest outcome of what it builds on.
    """
    with place.lock:
        number_studies(place.storage)
        studies = place.storage.get_all_studies()
        if not studies:
            raise UserError(f"--storage {place.given}: it holds no study yet")
    studies = sorted(studies, key=lambda study: study.user_attrs[NUMBER])
    names = [study.study_name for study in studies]
    for name in names:
        conclude(place, load_study(place, name), artifacts)
    return names


def _relative(path: Path, folder: Path) -> Path:
    """Return the path as a page in the folder links to it."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.notebook",
        description="Write the notebook: an entry for every study, which is its note in "
        "optuna-dashboard and STUDY/notebook.md, and the index of all studies. What people have "
        "written into an entry is kept.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_storage(parser)
    add_artifacts(parser)
    add(
        "--out",
        type=Path,
        metavar="FILE.md",
        help="the index (default: notebook.md beside the journal; of a database, in studies/)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
