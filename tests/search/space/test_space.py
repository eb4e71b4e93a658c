import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search.space import Choice, Float, Int, Question, Space, Value
from tests.search.spaces import COMPLETE, MOMENTUM, TREE, make_space

CHANGES = {
    "low": make_space(Int("depth", 2, 3), *TREE.parameters[1:], fixed=TREE.fixed),
    "name": make_space(*TREE.parameters[:-1], Choice("pool", ("max",)), fixed=TREE.fixed),
    "options": make_space(
        TREE.parameters[0],
        Choice("optimizer", ("sgd", "adam")),
        *TREE.parameters[2:],
        fixed=TREE.fixed,
    ),
    "condition": make_space(
        *TREE.parameters[:2], replace(MOMENTUM, when=()), *TREE.parameters[3:], fixed=TREE.fixed
    ),
    "step": make_space(
        *TREE.parameters[:2], replace(MOMENTUM, step=0.2), *TREE.parameters[3:], fixed=TREE.fixed
    ),
    "fewer": replace(TREE, parameters=TREE.parameters[:-1]),
    "fixed value": replace(TREE, fixed={"width": 32}),
    "fixed type": replace(TREE, fixed={"width": 16.0}),
    "fixed name": replace(TREE, fixed={"width_1": 16}),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_the_digest_changes_with_whatever_changes_the_trials(changed: Space) -> None:
    assert changed.digest != TREE.digest


@pytest.mark.parametrize(
    "same",
    [
        replace(TREE, title="Other", question=Question("a", "b", "c"), epochs=99),
        replace(TREE, baselines=(COMPLETE,)),
        replace(TREE, parameters=TREE.parameters[::-1]),
        replace(TREE, parameters=(replace(TREE.parameters[0], source="16"), *TREE.parameters[1:])),
    ],
    ids=["words", "baselines", "order of parameters", "source"],
)
def test_the_digest_is_blind_to_whatever_leaves_the_trials_as_they_are(same: Space) -> None:
    assert same.digest == TREE.digest


def test_a_whole_number_as_the_end_of_a_float_range_is_the_same_range() -> None:
    assert make_space(Float("a", 0, 1)).digest == make_space(Float("a", -0.0, 1.0)).digest


def test_the_digest_is_the_same_in_another_process() -> None:
    program = "from tests.search.space.test_space import TREE; print(TREE.digest)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == TREE.digest
    assert len(TREE.digest) == 12


def test_a_space_cannot_be_written_to_and_can_be_pickled() -> None:
    given_values: dict[str, Value] = {"width": 16}
    space = make_space(Int("depth", 1, 2), fixed=given_values, baselines=({"depth": 1},))

    given_values["width"] = 32
    with pytest.raises(TypeError):
        space.fixed["width"] = 32  # type: ignore[index]  # read-only

    assert space.fixed == {"width": 16}
    assert pickle.loads(pickle.dumps(space)) == space
    assert hash(space) == hash(pickle.loads(pickle.dumps(space)))
