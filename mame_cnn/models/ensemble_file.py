"""An ensemble as a folder: `ensemble.toml`, and the members' weights beside or below it.

The file names each member's place and the digest of its weights, so that a folder can be moved
as a whole, and nothing in it can be exchanged unnoticed. No path leads out of the folder.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import tomli_w
from pydantic import AfterValidator, Field, ValidationError

from commands.errors import UserError
from mame_cnn.combining.combination import Combination, from_table, to_table
from mame_cnn.configuration.config import PlainText, Section, plain_text
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.configuration.toml_file import read_toml
from mame_cnn.models.ensemble import Ensemble, Member, Specialists, mismatches
from mame_cnn.models.model_file import WEIGHTS, read_model

ENSEMBLE = "ensemble.toml"
_FORMAT_VERSION = 1
_LONGEST_PATH = 255
"""Bytes of a member's path below the folder: what file systems take as a single name."""


def _within(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or not parts.parts:
        raise ValueError("must be a relative path without .. or \\")
    if len(path.encode()) > _LONGEST_PATH:
        raise ValueError(f"must have at most {_LONGEST_PATH} bytes")
    return plain_text(path)


class _Network(Section):
    """Where one network lies."""

    name: Annotated[PlainText, Field(min_length=1)]
    path: Annotated[str, AfterValidator(_within)]
    weights_digest: str


class _Specialists(Section):
    groups: Annotated[
        tuple[Annotated[tuple[int, ...], Field(min_length=1, strict=False)], ...],
        Field(min_length=2, strict=False),
    ]
    general: _Network
    experts: Annotated[tuple[_Network, ...], Field(strict=False)]
    """One for each group of several classes, in the order of the groups."""


class _Record(Section):
    """The whole file."""

    format_version: Literal[1]
    data_name: PlainText
    data_digest: str
    classes: Annotated[tuple[PlainText, ...], Field(strict=False)]
    views: Literal["none", "flips", "flips+shifts"]
    temperature: float = Field(gt=0)
    combination: dict[str, Any]
    members: Annotated[tuple[_Network, ...], Field(min_length=1, strict=False)]
    specialists: _Specialists | None = None
    out_of_fold: dict[str, Any]
    provenance: dict[str, Any]


def write_ensemble(folder: Path, ensemble: Ensemble) -> None:
    """Write `ensemble.toml` into the folder where the members' runs are already.

    Raises `UserError` naming everything in which the members do not belong together.
    """
    _refuse(folder, mismatches(ensemble.members, ensemble.specialists))
    content: dict[str, Any] = {
        "format_version": _FORMAT_VERSION,
        "data_name": ensemble.data_name,
        "data_digest": ensemble.data_digest,
        "classes": list(ensemble.classes),
        "views": ensemble.views,
        "temperature": float(ensemble.temperature),
        "combination": to_table(ensemble.combination),
        "members": [_entry(member) for member in ensemble.members],
        "out_of_fold": dict(ensemble.out_of_fold),
        "provenance": dict(ensemble.provenance),
    }
    if ensemble.specialists:
        content["specialists"] = {
            "groups": [list(group) for group in ensemble.specialists.groups],
            "general": _entry(ensemble.specialists.general),
            "experts": [_entry(expert) for expert in ensemble.specialists.experts if expert],
        }
    _validated(folder / ENSEMBLE, content)
    # Renamed into place: whoever reads finds the old file or the new one, never half of one.
    unfinished = folder / f".unfinished-{ENSEMBLE}"
    unfinished.write_text(tomli_w.dumps(content), encoding="utf-8")
    os.replace(unfinished, folder / ENSEMBLE)


def read_ensemble(folder: Path) -> Ensemble:
    """Return the ensemble of a folder, its members' weights read and checked.

    Raises `UserError` naming everything that is missing, damaged, or does not belong together.
    """
    record = _validated(folder / ENSEMBLE, read_toml(folder / ENSEMBLE))
    read = _read_networks(folder, record)
    members = tuple(read[network.path] for network in record.members)
    specialists = None
    if record.specialists:
        experts = iter(record.specialists.experts)
        specialists = Specialists(
            groups=record.specialists.groups,
            general=read[record.specialists.general.path],
            experts=tuple(
                read[next(experts).path] if len(group) > 1 else None
                for group in record.specialists.groups
            ),
        )
    faults = mismatches(members, specialists)
    for name in ("classes", "data_digest"):
        told, own = getattr(record, name), getattr(members[0].model, name)
        if told != own:
            faults.append(f"{ENSEMBLE} says {name} {told}, {members[0].name} has {own}")
    _refuse(folder, faults)
    return Ensemble(
        members=members,
        combination=_combination(folder / ENSEMBLE, record),
        temperature=record.temperature,
        views=record.views,
        specialists=specialists,
        out_of_fold=record.out_of_fold,
        provenance=record.provenance,
    )


def _entry(member: Member) -> dict[str, str]:
    return {
        "name": member.name,
        "path": member.path,
        "weights_digest": member.model.weights_digest,
    }


def _validated(path: Path, content: Mapping[str, Any]) -> _Record:
    try:
        record = _Record.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(f"  {line}" for line in describe_faults(error))
        raise UserError(f"{path}: not an ensemble:\n{faults}") from None
    paths = Counter(network.path for network in _networks(record))
    if twice := [f"  {place}" for place, n in paths.items() if n > 1]:
        raise UserError("\n".join([f"{path}: places named more than once:", *twice]))
    if record.specialists:
        n_several = sum(len(group) > 1 for group in record.specialists.groups)
        if n_several != len(record.specialists.experts):
            raise UserError(
                f"{path}: specialists.experts: expected {n_several}, one for each group of "
                f"several classes, got {len(record.specialists.experts)}"
            )
    return record


def _networks(record: _Record) -> Iterator[_Network]:
    yield from record.members
    if record.specialists:
        yield record.specialists.general
        yield from record.specialists.experts


def _read_networks(folder: Path, record: _Record) -> dict[str, Member]:
    """Return every network by its path, or name all that cannot be read at once."""
    read, faults = {}, []
    for network in _networks(record):
        path = folder / network.path
        if not path.resolve().is_relative_to(folder.resolve()):
            faults.append(f"{network.name}: {network.path} leads out of the folder")
            continue
        try:
            model = read_model(path / WEIGHTS if path.is_dir() else path)
        except UserError as error:
            faults.append(f"{network.name}: {error}")
            continue
        if model.weights_digest != network.weights_digest:
            faults.append(
                f"{network.name}: {network.path} has the weights {model.weights_digest}, "
                f"the ensemble was made with {network.weights_digest}"
            )
        read[network.path] = Member(network.name, network.path, model)
    _refuse(folder, faults)
    return read


def _combination(path: Path, record: _Record) -> Combination:
    """Return how members are combined, tried on one image that nobody is sure of."""
    n_members, n_classes = len(record.members) + bool(record.specialists), len(record.classes)
    try:
        combination = from_table(record.combination)
        combination.combine(np.full((n_members, 1, n_classes), 1 / n_classes))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return combination


def _refuse(folder: Path, faults: list[str]) -> None:
    if faults:
        lines = [f"  {line}" for fault in faults for line in fault.splitlines()]
        raise UserError("\n".join([f"{folder}: the members do not make an ensemble:", *lines]))
