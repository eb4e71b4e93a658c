from hypothesis import given, settings

from search.space import Choice, Int, Question, Space, When
from tests.search.spaces import TREE, make_space, spaces


def test_the_right_side_of_a_union_wins() -> None:
    left = make_space(Int("depth", 1, 3), Int("a", 1, 2), fixed={"width": 8, "lr": 0.1})
    right = make_space(Int("depth", 2, 5), Int("lr", 1, 2), fixed={"a": 2, "b": 1})

    union = left | right

    assert union.parameters == (Int("depth", 2, 5), Int("lr", 1, 2))
    assert union.fixed == {"width": 8, "a": 2, "b": 1}
    assert union.faults() == []


def test_a_union_asks_both_questions_and_takes_the_larger_budget() -> None:
    left = Space("A", Question("1", "2", "3"), (Int("a", 1, 2),), epochs=10)
    right = Space("B", Question("1", "4", "5"), (Int("b", 1, 2),), epochs=5)

    union = left | right

    assert (union.title, union.epochs) == ("A | B", 10)
    assert union.question == Question("1", "2 4", "3 5")


def test_a_union_puts_parents_before_their_children() -> None:
    left = make_space(Int("lr", 1, 2), Choice("optimizer", ("adam",)))
    right = make_space(
        Choice("optimizer", ("adam", "sgd")),
        Int("lr", 1, 2, when=When("optimizer", among=("sgd",))),
    )

    union = left | right

    assert [row.name for row in union.parameters] == ["optimizer", "lr"]
    assert union.faults() == []


def test_a_union_leaves_out_what_the_right_side_makes_impossible() -> None:
    slice_ = make_space(Int("a", 1, 2), fixed={"depth": 2, "optimizer": "adam"})

    union = TREE | slice_

    assert [row.name for row in union.parameters] == ["pool_1", "pool_2", "a"]
    assert union.faults() == []


def test_a_fault_that_the_right_side_brings_itself_stays_a_fault_of_the_union() -> None:
    right = make_space(Int("a", 1, 2, when=When("depth", at_least=9)))

    assert (TREE | right).faults() == [
        "a: can never exist: it needs depth >= 9, but depth is an integer from 1 to 3"
    ]


def test_a_union_keeps_the_baselines_that_are_valid_for_it() -> None:
    left = make_space(Int("a", 1, 3), baselines=({"a": 1}, {"a": 3}))
    narrower = make_space(Int("a", 1, 2), baselines=({"a": 2}, {"a": 1}))
    wider = make_space(Int("b", 1, 2), baselines=({"b": 1},))

    assert (left | narrower).baselines == ({"a": 1}, {"a": 2})
    assert (left | wider).baselines == ()


@given(spaces())
@settings(max_examples=30, deadline=None)
def test_a_union_with_itself_is_the_same_space(space: Space) -> None:
    assert space | space == space
