"""What is added up trial by trial is what a look at all of them says."""

from random import Random

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.trials.reading import (
    CONFIG,
    CONTINUES,
    INTERRUPTED,
    LOST,
    PLACE,
    SEED,
    UNCLAIMED,
    free_place,
    is_counted,
    tally,
    unfinished,
)
from search.trials.roll import Newly, Roll

ENDS = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def numbered(number: int, trial: FrozenTrial) -> FrozenTrial:
    trial.number = number
    return trial


def some_trial(number: int, random: Random) -> FrozenTrial:
    """A trial of any kind: running, enqueued, ended well or not, gone on with, given up."""
    state = random.choice((*ENDS, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING))
    attributes: dict[str, object] = {}
    if state != TrialState.WAITING and random.random() < 0.9:
        attributes |= {PLACE: random.randrange(12), CONFIG: {}, SEED: 0}
    if random.random() < 0.3:
        attributes[CONTINUES] = random.randrange(number + 1)
    if state == TrialState.FAIL and random.random() < 0.8:
        name = random.choice((LOST, INTERRUPTED))
        attributes[name] = random.choice(("Ctrl-C", UNCLAIMED)) if name == INTERRUPTED else "gone"
    value = random.choice((0.25, 0.5, 0.75)) if state == TrialState.COMPLETE else None
    return numbered(number, create_trial(state=state, value=value, user_attrs=attributes))


def ended(trial: FrozenTrial, random: Random) -> FrozenTrial:
    state = random.choice(ENDS)
    value = 0.5 if state == TrialState.COMPLETE else None
    own = create_trial(state=state, value=value, user_attrs=trial.user_attrs)
    return numbered(trial.number, own)


@pytest.mark.parametrize("seed", range(20))
def test_it_says_what_a_look_at_all_trials_says_however_they_end(seed: int) -> None:
    random, roll, trials = Random(seed), Roll(), list[FrozenTrial]()
    for _ in range(30):
        trials += [some_trial(len(trials) + i, random) for i in range(random.randrange(4))]
        for number, trial in enumerate(trials):
            if not trial.state.is_finished() and random.random() < 0.2:
                trials[number] = ended(trial, random)
        sums = roll.read(trials)
        assert sums.n_counted == sum(map(is_counted, trials))
        assert sums.free_place == free_place(trials)
        assert sums.unfinished() == unfinished(trials)
        assert sums.tally() == tally(trials)
        assert sums.open == [trial for trial in trials if not trial.state.is_finished()]


def test_a_trial_that_has_ended_is_told_once() -> None:
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    newly = Newly()
    study.tell(second, 1.0)
    told = [[trial.number for trial in part] for part in newly.ended(study.trials)]
    assert told == [[1], [0]]
    study.tell(first, 1.0)
    told = [[trial.number for trial in part] for part in newly.ended(study.trials)]
    assert told == [[0], []]
