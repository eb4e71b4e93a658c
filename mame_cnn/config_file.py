"""Configurations as TOML files, with where they came from beside them."""

from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from commands.errors import UserError
from commands.strangers import shown
from mame_cnn.config import Config
from mame_cnn.faults import describe_faults
from mame_cnn.toml_file import read_toml


def read_config(path: Path) -> tuple[Config, dict[str, Any]]:
    """Return a file's configuration and its `[provenance]` table (empty where it has none).

    Raises `UserError` naming the file, and every field that is missing, misspelt or ill-typed.
    """
    content = read_toml(path)
    provenance = content.pop("provenance", {})
    if not isinstance(provenance, dict):
        raise UserError(f"{path}: provenance: expected a table, got {shown(provenance)}")
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
