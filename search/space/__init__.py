"""Search spaces as data: this is all that a space file needs."""

from search.space.blocks import per_block
from search.space.conditions import When
from search.space.parameters import Choice, Float, Int, Parameter
from search.space.space import Question, Space
from search.space.values import Value

__all__ = [
    "Choice",
    "Float",
    "Int",
    "Parameter",
    "Question",
    "Space",
    "Value",
    "When",
    "per_block",
]
