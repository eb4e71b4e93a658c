"""Configurations as TOML files, with where they came from beside them."""

import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from commands.errors import UserError
from mame_cnn.config import Config
from mame_cnn.faults import describe_faults


def read_config(path: Path) -> tuple[Config, dict[str, Any]]:
    """Return a file's configuration and its `[provenance]` table (empty where it has none).

    Raises `UserError` naming the file, and every field that is missing, misspelt or ill-typed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, where a TOML file was expected") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    provenance = content.pop("provenance", {})
    if not isinstance(provenance, dict):
        raise UserError(f"{path}: provenance: expected a table, got {provenance!r}")
    try:
        return Config.model_validate(content), provenance
    except ValidationError as error:
        faults = "\n".join(f"  {line}" for line in describe_faults(error))
        raise UserError(f"{path}: not a complete configuration:\n{faults}") from None


def write_config(path: Path, config: Config, provenance: dict[str, Any]) -> None:
    """Write a configuration and where it came from."""
    content = config.model_dump(mode="json")
    if provenance:
        content["provenance"] = provenance
    path.write_text(tomli_w.dumps(content), encoding="utf-8")
