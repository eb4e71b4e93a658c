"""What pydantic found wrong with a configuration, in the words of a person who wrote it."""

from collections.abc import Iterator

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from commands.nearest import did_you_mean
from commands.strangers import shown
from mame_cnn.configuration.config import Config

_UNIONS = ("network", "schedule")
"""Fields that are tables of several kinds; a field of theirs tells which."""


def describe_faults(error: ValidationError) -> list[str]:
    """Return one line a fault: the field's path, what was got, what is allowed."""
    lines = []
    faults = error.errors(include_url=False)
    for fault in faults:
        if fault["type"] == "too_short" and _has_faults_within(fault["loc"], faults):
            continue  # a list is short only because its faulty items were not counted
        parts = list(_parts(fault["loc"]))
        path = ".".join(parts)
        match fault["type"]:
            case "missing":
                lines.append(f"{path}: missing")
            case "union_tag_not_found":
                lines.append(f"{path}.{_discriminator(fault)}: missing")
            case "union_tag_invalid":
                tag, allowed = fault["ctx"]["tag"], fault["ctx"]["expected_tags"]
                lines.append(
                    f"{path}.{_discriminator(fault)}: expected one of {allowed}; got {shown(tag)}"
                )
            case "extra_forbidden":
                hint = did_you_mean(parts[-1], set(_field_names(Config)))
                lines.append(f"{path}: no such field{hint}")
            case _:
                reason = fault["msg"].removeprefix("Value error, ")
                reason = reason[0].lower() + reason[1:]
                got = "" if isinstance(fault["input"], dict) else f", got {shown(fault['input'])}"
                where = f"{path}: " if path else ""
                lines.append(f"{where}{reason}{got}")
    return lines


def _parts(place: tuple[int | str, ...]) -> Iterator[str]:
    """Yield the names of a field's path, without those that pydantic gives a union's members."""
    before = None
    for part in place:
        if before not in _UNIONS:
            yield str(part)
        before = part


def _discriminator(fault: ErrorDetails) -> str:
    return str(fault["ctx"]["discriminator"]).strip("'")


def _has_faults_within(place: tuple[int | str, ...], faults: list[ErrorDetails]) -> bool:
    return any(
        fault["loc"][: len(place)] == place and len(fault["loc"]) > len(place) for fault in faults
    )


def _field_names(model: type[BaseModel]) -> Iterator[str]:
    """Yield the field names of a model and of every model below it."""
    yield from model.model_fields
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from _field_names(inner)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
