"""Whether a study is what `search.run` writes, as far as what reads it relies on that.

A storage may come from a stranger or be damaged, and Optuna keeps whatever it is given. One door
judges it, so that all behind it may trust what they read.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from commands.errors import UserError
from commands.strangers import LARGEST, check_tree, shown
from search.space.table import Text, checked_table
from search.storages.storage import Place

_WHOLE = ("best_epoch", "continues", "place", "seed")
_TABLES = ("config", "deaths", "metrics", "owner")
"""Attributes of trials that are numbers, some of which name folders, or tables."""
_N_TOLD = 10
"""Faults in one message."""
_LONGEST_TEXT = 1000


def _plain(value: object) -> object:
    is_text = isinstance(value, str) and len(value) <= _LONGEST_TEXT
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if value is None or is_text or is_number:
        return value
    raise PydanticCustomError("plain", "must be text, a finite number, true, false or None")


class _Data(BaseModel):
    """What is known of the data; a report leaves classes and counts out that make no sense."""

    model_config = ConfigDict(strict=True, extra="ignore")
    name: Text = ""
    source: Text = ""
    digest: Text = ""


class _Pins(BaseModel):
    """The pins but for the space; none of them need be there, in a study begun elsewhere."""

    model_config = ConfigDict(strict=True, extra="ignore")
    space_digest: Text = ""
    data: _Data | None = None
    objective: dict[Text, Annotated[Any, PlainValidator(_plain)]] = Field(default_factory=dict)


def check_sound(study: Study) -> None:
    """Raise `UserError` naming what in a study cannot have been written by a search."""
    faults = list(_pin_faults(study.user_attrs))
    if not faults:
        rows = study.user_attrs.get("space", {}).get("parameters", ())
        faults = list(_trial_faults(study.get_trials(deepcopy=False), rows))
    if faults:
        told = "\n  ".join(faults[:_N_TOLD])
        more = f"\n  ... and {len(faults) - _N_TOLD:,} more" if faults[_N_TOLD:] else ""
        raise UserError(
            f"study {study.study_name}: damaged, or not written by search.run:\n  {told}{more}"
        )


def check_trainer(data: Mapping[str, Any], objective: Mapping[str, Any]) -> None:
    """Raise `UserError` naming what of a trainer's a study could not be pinned to."""
    pinned = {"data": dict(data), "objective": dict(objective)}
    faults = list(_pin_faults(pinned))
    if not faults:
        try:
            json.dumps(pinned["data"])
        except (TypeError, ValueError) as error:
            faults = [f"data: {error}"]
    if faults:
        told = "".join(f"\n  trainer.{fault}" for fault in faults)
        raise UserError(f"the trainer's data and objective cannot be kept with a study:{told}")


def study_folder(place: Place, name: str) -> Path:
    """Return where a study's files go, beside the storage; `UserError` if its name leads away.

    The storage may be a stranger's, with names that `search.run` would not have taken.
    """
    path = PurePath(name)
    leads_away = path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts
    if leads_away or not name.isprintable():
        raise UserError(
            f"study {shown(name)}: a name that leads out of {place.folder}; nothing is written"
        )
    return place.folder / path


def _pin_faults(attrs: Mapping[str, Any]) -> Iterator[str]:
    try:
        if "space" in attrs:
            checked_table(attrs["space"])
    except ValueError as error:
        yield f"space: {error}"
    pinned = {name: attrs[name] for name in _Pins.model_fields.keys() & attrs.keys()}
    try:
        check_tree(pinned)
        _Pins.model_validate(pinned)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            where = ".".join(map(str, fault["loc"]))
            yield f"{where}: {fault['msg']}, got {shown(fault['input'])}"
    except ValueError as error:
        yield str(error)
    epochs = attrs.get("objective")
    epochs = epochs.get("epochs", 1) if isinstance(epochs, Mapping) else 1
    if not isinstance(epochs, int) or epochs < 1:
        yield f"objective.epochs: must be an integer of at least 1, got {shown(epochs)}"


def _is_count(deaths: object) -> bool:
    return isinstance(deaths, Mapping) and all(
        isinstance(deaths.get(name), int) and deaths[name] >= 0 for name in ("n", "epoch")
    )


def _trial_faults(
    trials: Iterable[FrozenTrial], rows: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    ranges = {row["name"]: row["log"] for row in rows if row["kind"] != "choice"}
    for trial in trials:
        if trial.state == TrialState.COMPLETE and not isinstance(trial.value, float | int):
            yield f"trial {trial.number}: complete, and without a value"
        for name, value in trial.user_attrs.items():
            if name in _WHOLE and not (isinstance(value, int) and 0 <= value <= LARGEST):
                yield f"trial {trial.number}: {name} is {shown(value)}, not a whole number"
            if name in _TABLES and not isinstance(value, Mapping):
                yield f"trial {trial.number}: {name} is {shown(value)}, not a table"
        if not _is_count(deaths := trial.user_attrs.get("deaths", {"n": 0, "epoch": 0})):
            yield f"trial {trial.number}: deaths is {shown(deaths)}, not two whole numbers"
        for name, value in trial.params.items():
            if not isinstance(value, str | int | float):
                yield f"trial {trial.number}: {name} is {shown(value)}"
            elif name in ranges and not _is_in_range(value, is_log=ranges[name]):
                yield f"trial {trial.number}: {name} is a range, got {shown(value)}"


def _is_in_range(value: float | str, *, is_log: bool) -> bool:
    """Tell whether a range could have such a value, whatever its ends."""
    if isinstance(value, str) or not math.isfinite(value):
        return False
    return value > 0 or not is_log
