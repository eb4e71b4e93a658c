"""Configurations as TOML files, with where they came from beside them.

A file may also name others, `members = ["a", "b"]`, which are an ensemble then.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import Field, ValidationError

from commands.errors import UserError, check_can_be_written, naming
from commands.strangers import shown
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.faults import describe_faults
from mame_cnn.configuration.section import Section
from mame_cnn.configuration.toml_file import read_toml


class _Members(Section):
    members: Annotated[
        tuple[Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=100)], ...],
        Field(min_length=2, strict=False),
    ]
    """Names of files beside this one, without their ending."""


def read_config(path: Path) -> tuple[Config, dict[str, Any]]:
    """Return a file's configuration and its `[provenance]` table (empty where it has none).

    Raises `UserError` naming the file, and every field that is missing, misspelt or ill-typed.
    """
    content = read_toml(path)
    if members := _members(path, content):
        names = ", ".join(member.stem for member in members)
        raise UserError(
            f"{path}: is an ensemble of {names}; train it with: python -m mame_cnn.ensemble {path}"
        )
    provenance = _provenance(path, content)
    try:
        return Config.model_validate(content), provenance
    except ValidationError as error:
        raise UserError(f"{path}: not a complete configuration:\n{_listed(error)}") from None


def read_origin(path: Path) -> tuple[Config | None, tuple[Path, ...], dict[str, Any]]:
    """Return a file's configuration or the files of its members, and its provenance."""
    content = read_toml(path)
    if members := _members(path, content):
        return None, members, _provenance(path, content)
    config, provenance = read_config(path)
    return config, (), provenance


def members_of(path: Path) -> tuple[Path, ...]:
    """Return the files of an ensemble's members; none where a file is no ensemble.

    Raises `UserError` where it is one and what it says cannot be.
    """
    return _members(path, read_toml(path))


def write_config(path: Path, config: Config, provenance: dict[str, Any]) -> None:
    """Write a configuration and where it came from; the file is whole or not there at all."""
    check_can_be_written(path)
    content = config.model_dump(mode="json")
    if provenance:
        content["provenance"] = provenance
    unfinished = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    try:
        with naming(path):
            unfinished.write_text(tomli_w.dumps(content), encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _provenance(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Take the provenance out of what a file says."""
    provenance = content.pop("provenance", {})
    if not isinstance(provenance, dict):
        raise UserError(f"{path}: provenance: expected a table, got {shown(provenance)}")
    return provenance


def _members(path: Path, content: dict[str, Any]) -> tuple[Path, ...]:
    if "members" not in content:
        return ()
    own = {name: value for name, value in content.items() if name != "provenance"}
    try:
        names = _Members.model_validate(own).members
    except ValidationError as error:
        raise UserError(f"{path}: not an ensemble of configurations:\n{_listed(error)}") from None
    members = tuple(path.with_name(f"{name}.toml") for name in names)
    faults = [f"two members are called {name}" for name in {*names} if names.count(name) > 1]
    faults += [f"no such file: {member}" for member in members if not member.is_file()]
    faults += [
        f"{member.stem} is an ensemble itself"
        for member in members
        if member.is_file() and "members" in read_toml(member)
    ]
    if faults:
        raise UserError("\n".join(f"{path}: members: {fault}" for fault in faults))
    return members


def _listed(error: ValidationError) -> str:
    return "\n".join(f"  {line}" for line in describe_faults(error))
