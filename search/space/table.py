"""A space as a study keeps it: plain values, which whoever wrote the study may have made up.

A study's space is told and compared, and never run or searched: `search.run` takes spaces from
the file that it is given, and from nowhere else.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from commands.strangers import LARGEST, check_tree, shown

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Name = Annotated[str, Field(pattern=r"^[^\W\d]\w*$", max_length=200)]
Integer = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Text = Annotated[str, Field(max_length=1000)]
_Value = Text | Integer | float


class _Among(BaseModel):
    model_config = _STRICT
    parent: Name
    among: list[_Value] = Field(min_length=1)


class _AtLeast(BaseModel):
    model_config = _STRICT
    parent: Name
    at_least: Integer | float


class _Row(BaseModel):
    model_config = _STRICT
    name: Name
    when: list[_Among | _AtLeast]


class _Choice(_Row):
    kind: Literal["choice"]
    options: list[_Value] = Field(min_length=1)


class _Range(_Row):
    log: bool
    low: float
    high: float

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        low, high = self.low, self.high
        if low > high:
            raise ValueError(f"low {low} is above high {high}")
        if self.log and low <= 0:
            raise ValueError(f"a log range must lie above 0, got low {low}")
        return self


class _Int(_Range):
    kind: Literal["int"]
    low: Integer
    high: Integer
    step: Annotated[Integer, Field(ge=1)]


class _Float(_Range):
    kind: Literal["float"]
    step: Annotated[float, Field(gt=0)] | None


class _Space(BaseModel):
    model_config = _STRICT
    parameters: list[Annotated[_Choice | _Int | _Float, Field(discriminator="kind")]]
    fixed: dict[Name, _Value]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [row.name for row in self.parameters] + [*self.fixed]
        if len(set(names)) < len(names):
            raise ValueError("a name stands twice")
        return self


def checked_table(content: object) -> Mapping[str, Any]:
    """Return a space's plain form as it is; `ValueError` says where it is none."""
    check_tree(content)
    try:
        _Space.model_validate(content)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}, got {shown(first['input'])}") from None
    assert isinstance(content, Mapping)
    return content
