"""What a study keeps of a space says the same; whatever is no space is refused."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from search.report.scale import Scale
from search.space import Space, wording
from search.space.table import checked_table
from search.studies.pins import _space_differences
from tests.search.spaces import spaces

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
NUMBERS = st.integers() | st.floats() | st.just(10**400)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A space's table in which one value, anywhere, is another."""
    table = json.loads(json.dumps(draw(spaces()).to_json()))
    place: Any = table
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = draw(st.sampled_from(list(keys)))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            place[key] = draw(JSON | NUMBERS)
            break
        place = place[key]
    return table


def told(table: Mapping[str, Any]) -> None:
    for row in table["parameters"]:
        wording.values(row)
        wording.existence(row)
        Scale(row).marks()
        Scale(row).axis()
    list(_space_differences({"parameters": [], "fixed": {}}, table))


@settings(deadline=None)  # the machine may be busy
@given(spaces())
def test_what_a_study_keeps_of_a_space_is_a_space(space: Space) -> None:
    kept = json.loads(json.dumps(space.to_json(), allow_nan=False))
    assert checked_table(kept) == space.to_json()
    told(kept)


@settings(deadline=None)  # the machine may be busy
@given(spaces())
def test_every_value_that_a_space_draws_lies_in_its_parameter(space: Space) -> None:
    drawn = space.draw(lambda row: (row.grid() or ())[-1])
    active = {row.name: row for row in space.active(drawn)}
    assert active.keys() == drawn.keys()
    assert all(active[name].contains(value) for name, value in drawn.items())


@settings(deadline=None)  # the machine may be busy
@given(damaged())
def test_a_damaged_space_is_told_without_error_or_refused(table: Any) -> None:
    try:
        checked_table(table)
    except ValueError:
        return
    told(table)


@settings(deadline=None)  # the machine may be busy
@given(JSON)
def test_whatever_stands_in_place_of_a_space_is_refused(content: Any) -> None:
    try:
        checked_table(content)
    except ValueError:
        return
    told(content)
