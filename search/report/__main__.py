"""`python -m search.report STUDY`: all that a study found, as one HTML file that can be sent."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from optuna.study import Study
from optuna_dashboard import get_note

from commands.errors import UserError, exit_status
from search.files.artifacts import Artifacts, open_artifacts
from search.notebook.asked import NUMBER, read_asked
from search.notebook.concluding import conclude
from search.notebook.copies import write_file
from search.notebook.own_words import readable
from search.notebook.pictures import without_pictures
from search.place_options import add_artifacts, add_storage
from search.report.contents import sections
from search.report.data import SHEETS, class_counts, class_names
from search.report.page import Figures, page
from search.report.subject import Subject
from search.storages.storage import Place, open_storage
from search.studies import pins
from search.studies.loading import load_study
from search.studies.sound import study_folder

_EXAMPLES = """examples:
  python -m search.report regularization
  python -m search.report regularization --out /tmp/regularization.html
  python -m search.report regularization --storage postgresql://host/studies
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report of a study."""
    options = _parser().parse_args(argv)
    place = open_storage(options.storage, create=False)
    study = load_study(place, options.study)
    path = options.out or study_folder(place, study.study_name) / "report.html"
    if path.is_dir():
        raise UserError(f"--out {path}: is a folder; give a file, such as {path / 'report.html'}")
    html = report(place, study, open_artifacts(options.artifacts))
    write_file(path, html)
    print(f"{path} ({len(html.encode()) / 1e6:.1f} MB)")
    return 0


def report(place: Place, study: Study, artifacts: Artifacts) -> str:
    """Return the report of a study as HTML; its notebook entry is brought up to date first."""
    evidence = conclude(place, study, artifacts)
    asked = read_asked(study)
    attrs = study.user_attrs
    data = attrs.get(pins.DATA, {})
    classes = class_names(data)
    subject = Subject(
        evidence=evidence,
        # The report draws them itself.
        entry=readable(without_pictures(get_note(study))),
        rows=attrs.get(pins.SPACE, {}).get("parameters", ()),
        classes=classes,
        counts=class_counts(data, len(classes)),
        sheets={
            name: content
            for name in SHEETS
            if (content := artifacts.read(study, name)) is not None
        },
    )
    figures = Figures([])
    parts = sections(subject, figures)
    number = attrs.get(NUMBER)
    lead = ", ".join(
        part
        for part in (
            f"Experiment {number}" if number else "",
            f"study {study.study_name}",
            f"data {data.get('name')} ({data.get('digest')})" if data else "",
            f"written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )
        if part
    )
    foot = (
        f"Written by search.report from {place.given}. Space {attrs.get(pins.SPACE_DIGEST, '-')}, "
        f"data {data.get('digest', '-')}, Optuna {version('optuna')}, plotly {version('plotly')}."
    )
    return page(asked.title, lead, parts, figures, foot)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.report",
        description="Write all that a study found as one HTML file, which needs no network: the "
        "notebook entry, the data, the course of the search, curves, diagnosis, comparison, "
        "parameters, confusions, cost.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("study", metavar="STUDY", help="the study's name")
    add_storage(parser)
    add_artifacts(parser)
    add(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="default: STUDY/report.html beside the journal; of a database, in studies/",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
