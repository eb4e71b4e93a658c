"""What a study is pinned to: its space, its data and its objective.

Values of different spaces or data would be compared as if they meant the same, and Optuna
accepts most changes in silence. So a study is continued with what it was begun with, or refused.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from optuna.study import Study

from commands.errors import UserError
from search.space import Space, wording
from search.trainer import Trainer

SPACE, SPACE_DIGEST, DATA, OBJECTIVE = "space", "space_digest", "data", "objective"
"""The study attributes that hold the pins."""


def pins(space: Space, trainer: Trainer) -> dict[str, Any]:
    """Return what a study of this space on this trainer is pinned to, by attribute."""
    return {
        SPACE: space.to_json(),
        SPACE_DIGEST: space.digest,
        DATA: dict(trainer.data),
        OBJECTIVE: dict(trainer.objective),
    }


def pin(study: Study, pinned: Mapping[str, Any]) -> None:
    """Write the pins into a new study."""
    for name, value in pinned.items():
        study.set_user_attr(name, value)


def is_pinned(study: Study) -> bool:
    """Tell whether all pins were written."""
    return {SPACE, SPACE_DIGEST, DATA, OBJECTIVE} <= study.user_attrs.keys()


def check(study: Study, wanted: Mapping[str, Any]) -> None:
    """Refuse to continue a study with anything but what it is pinned to."""
    pinned = study.user_attrs
    missing = [name for name in wanted if name not in pinned]
    if missing:
        raise UserError(
            f"study {study.study_name}: was not begun by search.run (it has no "
            f"{', '.join(missing)}); take a new name with --study NAME"
        )
    differences = list(_differences(pinned, wanted))
    if differences:
        lines = "\n  ".join(differences)
        raise UserError(
            f"study {study.study_name}: was begun with something else:\n  {lines}\n"
            f"take a new name with --study NAME, or go back to what it was begun with"
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    if old[SPACE_DIGEST] != new[SPACE_DIGEST]:
        yield from _space_differences(old[SPACE], new[SPACE])
    if old[DATA].get("digest") != new[DATA].get("digest"):
        was, now = (
            f"{data.get('name')} ({data.get('digest')})" for data in (old[DATA], new[DATA])
        )
        yield f"data: {was} -> {now}"
    yield from _changed(old[OBJECTIVE], new[OBJECTIVE])


def _space_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    was, now = (
        {row["name"]: row for row in space["parameters"]}
        | {name: {"fixed": value} for name, value in space["fixed"].items()}
        for space in (old, new)
    )
    for name in [*was, *(name for name in now if name not in was)]:
        if was.get(name) == now.get(name):
            continue
        before, after = _row(was.get(name)), _row(now.get(name))
        if before == after:  # the values read the same: a condition or the kind is what differs
            before, after = (
                f"{before} ({rows[name]['kind']}, {wording.existence(rows[name])})"
                for rows in (was, now)
            )
        yield f"{name}: {before} -> {after}"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    for name in [*old, *(name for name in new if name not in old)]:
        was, now = old.get(name, "absent"), new.get(name, "absent")
        if was != now:
            yield f"{name}: {was} -> {now}"


def _row(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "absent"
    return f"fixed {row['fixed']}" if "fixed" in row else wording.values(row)
