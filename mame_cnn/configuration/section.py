"""What the tables of a configuration are made of: strict, frozen, and closed to unknown fields."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from commands.strangers import has_control_characters


def plain_text(text: str) -> str:
    """Return a text that terminals, tables and file systems take for no more than that."""
    if has_control_characters(text):
        raise ValueError("must hold no control characters")
    return text


PlainText = Annotated[str, AfterValidator(plain_text)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""Of epochs, images or pixels: what every library's integers can hold."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""A rate at which something is dropped or smoothed: 0 is off, 1 would leave nothing."""
Coefficient = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A table of a configuration: frozen, no unknown fields, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
