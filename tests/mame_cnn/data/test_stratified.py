from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mame_cnn.data.stratified import choose, quotas


@given(st.lists(st.integers(2, 500), min_size=1, max_size=30), st.floats(0.05, 0.5))
def test_quotas_lie_within_one_of_exact_shares_and_leave_something(
    counts: list[int], share: float
) -> None:
    n = round(share * sum(counts))
    for quota, count in zip(quotas(counts, n), counts, strict=True):
        assert abs(quota - n * count / sum(counts)) <= 1
        assert 1 <= quota < count


@given(st.lists(st.integers(10, 500), min_size=1, max_size=30))
def test_quotas_add_up_where_no_class_is_tiny(counts: list[int]) -> None:
    n = round(0.15 * sum(counts))
    assert sum(quotas(counts, n)) == n or min(n * c / sum(counts) for c in counts) < 1


def test_a_class_of_one_keeps_its_only_image() -> None:
    assert quotas([1, 99], 50)[0] == 0


def test_the_choice_does_not_depend_on_the_order_of_the_images() -> None:
    names = [f"image {i}" for i in range(100)]
    labels = [i % 3 for i in range(100)]
    chosen = {names[i] for i in choose(names, labels, 30, "salt")}
    backwards = names[::-1]
    assert {backwards[i] for i in choose(backwards, labels[::-1], 30, "salt")} == chosen


def test_another_salt_gives_another_choice_of_the_same_counts() -> None:
    names = [f"image {i}" for i in range(100)]
    labels = [i % 4 for i in range(100)]
    one, other = (choose(names, labels, 20, salt) for salt in "ab")
    assert one != other
    assert Counter(labels[i] for i in one) == Counter(labels[i] for i in other)


def test_the_choice_is_fixed_for_ever() -> None:
    names = [f"image {i}" for i in range(10)]
    assert choose(names, [0] * 10, 3, "salt") == {0, 7, 9}
