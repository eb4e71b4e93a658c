"""The experiments of earlier work by name: what they measured, and how large they are.

Each is a file in `studies/reference`. Its provenance says where it comes from, what was published
of it, and what is assumed where nothing was. The figures are the documents' own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from rich.console import Console
from rich.table import Table

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import read_origin
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.configuration.section import PlainText, Section
from mame_cnn.families.network import n_parameters

FOLDER = Path("studies/reference")
_HERE = Path(__file__).parents[1]
SPLITS = ("train", "val", "test")
_WIDTH = 160  # of the table in a file, where rich would take 80

Accuracy = Annotated[float, Field(ge=0, le=1)]


class Published(Section):
    """What the documents report."""

    train: Accuracy | None = None
    val: Accuracy | None = None
    test: Accuracy | None = None


class Origin(Section):
    """The provenance of a reference configuration."""

    reference: PlainText
    """Its name."""
    source: PlainText
    """Which experiment of which work it is."""
    classes: int = Field(ge=2)
    """Of the data that it was run on."""
    channels: int = Field(ge=1, le=4)
    """Of their images."""
    published: Published = Published()
    published_parameters: int | None = None
    """Trainable weights as the documents count them; rounded where they round."""
    assumed: Annotated[tuple[PlainText, ...], Field(strict=False)] = ()
    """What the documents leave open, as it is here."""
    note: PlainText | None = None


@dataclass(frozen=True)
class Reference:
    """One experiment."""

    path: Path
    origin: Origin
    config: Config | None
    """None for an ensemble."""
    members: tuple["Reference", ...]
    """Of an ensemble; none for a network."""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def parameters(self) -> int:
        """The number of trainable weights; of an ensemble that of all members together."""
        if self.config is None:
            return sum(member.parameters for member in self.members)
        return n_parameters(
            self.config.network,
            channels=self.origin.channels,
            image_size=self.config.data.image_size,
            n_classes=self.origin.classes,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what there is to say of it, in values that JSON has."""
        origin = self.origin
        return {
            "name": self.name,
            "parameters": self.parameters,
            "source": origin.source,
            "published": origin.published.model_dump(exclude_none=True),
            "published_parameters": origin.published_parameters,
            "members": [member.name for member in self.members],
            "assumed": list(origin.assumed),
            "note": origin.note,
        }


def reference_folder() -> Path:
    """Return the folder of the reference configurations: here, or where this project lies."""
    for folder in (FOLDER, _HERE / FOLDER):
        if folder.is_dir():
            return folder
    raise UserError(
        f"{FOLDER}: no such folder, neither here nor in {_HERE}; run this in a checkout"
    )


def read_references(folder: Path | None = None) -> tuple[Reference, ...]:
    """Return all reference configurations in the order of their names.

    Raises `UserError` naming everything that is wrong with any of them.

    Args:
        folder: `reference_folder()` when not given.
    """
    folder = folder or reference_folder()
    found, faults = [], []
    for path in sorted(folder.glob("*.toml"), key=lambda file: file.stem):
        try:
            found.append(read_reference(path))
        except UserError as error:
            faults.append(str(error))
    if not found and not faults:
        faults.append(f"{folder}: no .toml file in it; expected reference configurations")
    if faults:
        raise UserError("\n".join(faults))
    return tuple(found)


def read_reference(path: Path) -> Reference:
    """Return the reference configuration of a file, members included where it is an ensemble."""
    config, members, provenance = read_origin(path)
    try:
        origin = Origin.model_validate(provenance)
    except ValidationError as error:
        faults = "\n".join(f"  provenance.{line}" for line in describe_faults(error))
        raise UserError(f"{path}: not a reference configuration:\n{faults}") from None
    return Reference(path, origin, config, tuple(read_reference(member) for member in members))


def show(references: Sequence[Reference], console: Console) -> None:
    """Print a table of experiments with the documents' figures."""
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table(title="reference configurations, with the documents' figures")
    for heading in ("name", "parameters", "published", *SPLITS, "source"):
        table.add_column(heading, justify="left" if heading in ("name", "source") else "right")
    for one in references:
        count = one.origin.published_parameters
        accuracies: Mapping[str, float | None] = dict(one.origin.published)
        table.add_row(
            one.name,
            f"{one.parameters:,}",
            "" if count is None else f"{count:,}",
            *(_share(accuracies[split]) for split in SPLITS),
            one.origin.source,
        )
    console.print(table)


def _share(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{accuracy:.1%}"
