"""The options by which every command finds a study and the files that its trials left."""

import argparse
import shlex

from search.files.artifact_place import METAVAR, ArtifactPlace, artifact_place
from search.files.artifacts import DEFAULT_ARTIFACTS
from search.storages.storage import DEFAULT_STORAGE

Options = argparse.ArgumentParser | argparse._ArgumentGroup
"""A parser, or a part of one that its help shows under a heading."""


def add_storage(parser: Options) -> None:
    """Add `--storage`."""
    parser.add_argument(
        "--storage",
        default=DEFAULT_STORAGE,
        metavar="PATH|URL",
        help="a journal file or a database (default: %(default)s)",
    )


def add_artifacts(parser: Options, meaning: str = "search.run's --artifacts") -> None:
    """Add `--artifacts`, with its meaning as the help tells it."""
    parser.add_argument(
        "--artifacts",
        type=artifact_place,
        default=DEFAULT_ARTIFACTS,
        metavar=METAVAR,
        help=f"{meaning} (default: %(default)s)",
    )


def artifacts_option(artifacts: ArtifactPlace) -> str:
    """Return what a command that looks for these files needs, ready to be appended to it."""
    return "" if artifacts == DEFAULT_ARTIFACTS else f" --artifacts {shlex.quote(str(artifacts))}"
