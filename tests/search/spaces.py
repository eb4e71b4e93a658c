"""Small spaces for tests: one made by hand with a complete point of it, and any by hypothesis."""

from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from search.space import Choice, Float, Int, Parameter, Question, Space, Value, When, per_block

QUESTION = Question("6 overfits", "dropout helps", "as 6")


def make_space(*parameters: Parameter, **others: Any) -> Space:
    return Space("Test", QUESTION, parameters, **others)


MOMENTUM = Float("momentum", 0.5, 0.9, step=0.1, when=When("optimizer", among=("sgd",)))
TREE = make_space(
    Int("depth", 1, 3),
    Choice("optimizer", ("adam", "sgd")),
    MOMENTUM,
    *per_block(Choice("pool", ("max", "average")), up_to=3),
    fixed={"width": 16},
)
COMPLETE: dict[str, Value] = {"depth": 1, "optimizer": "adam", "pool_1": "max"}


@st.composite
def parameters(draw: st.DrawFn, name: str, earlier: list[Parameter]) -> Parameter:
    conditions = []
    for parent in draw(st.lists(st.sampled_from(earlier), max_size=2)) if earlier else []:
        values = parent.grid() or ()
        if isinstance(parent, Int) and draw(st.booleans()):
            conditions.append(When(parent.name, at_least=draw(st.integers(0, parent.high))))
        else:
            among = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
            conditions.append(When(parent.name, among=tuple(among)))
    when = tuple(conditions)
    kind = draw(st.sampled_from(["int", "choice", "float"]))
    if kind == "int":
        low = draw(st.integers(0, 3))
        return Int(name, low, low + draw(st.integers(0, 2)), when=when)
    if kind == "choice":
        return Choice(name, ("x", "y", "z")[: draw(st.integers(1, 3))], when=when)
    return Float(name, 0.1, 0.1 * draw(st.integers(1, 3)), step=0.1, when=when)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    rows: list[Parameter] = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        row = draw(parameters(name, rows))
        # 0.1 * 3 is 0.30000000000000004, which steps of 0.1 do not meet.
        rows.append(replace(row, high=round(row.high, 1)) if isinstance(row, Float) else row)
    space = make_space(*rows)
    assume(not space.faults())
    return space
