"""The door to everything trained: a run's folder, a weights file or an ensemble's folder."""

from pathlib import Path

from commands.errors import UserError
from mame_cnn.models.ensemble import Ensemble
from mame_cnn.models.ensemble_file import ENSEMBLE, read_ensemble
from mame_cnn.models.model import Model
from mame_cnn.models.model_file import WEIGHTS, read_model


def open_model(path: Path) -> Model | Ensemble:
    """Return what was trained and kept at a path.

    Raises `UserError` saying what was expected, or what is wrong with what was found.
    """
    if (path / ENSEMBLE).is_file():
        return read_ensemble(path)
    if path.is_dir() and not (path / WEIGHTS).is_file():
        inside = sorted(
            found.parent.relative_to(path)
            for name in (WEIGHTS, ENSEMBLE)
            for found in path.glob(f"*/{name}")
        )
        hint = f"; did you mean {path / inside[0]}?" if inside else ""
        raise UserError(
            f"{path}: expected the folder of a run (with {WEIGHTS}) or of an ensemble (with "
            f"{ENSEMBLE}), or a weights file{hint}"
        )
    return read_model(path / WEIGHTS if path.is_dir() else path)
