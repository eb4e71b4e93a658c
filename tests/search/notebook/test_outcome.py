"""The line that a study leaves to those that build on it."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from search.comparing.comparison import Predicted, compare
from search.comparing.evidence import Evidence
from search.files.predictions import Predictions
from search.notebook.outcome import outcome_line

LABELS = np.arange(100) % 4


def predicted(number: int, n_right: int) -> Predicted:
    answers = np.where(np.arange(100) < n_right, LABELS, (LABELS + 1) % 4)
    probs = np.where(np.arange(4) == answers[:, None], 0.7, 0.1)
    return Predicted("study", number, n_right / 100, Predictions(probs, LABELS, 1))


def line(best: tuple[int, float], *trials: Predicted) -> str:
    number, value = best
    standing = SimpleNamespace(n_ended=3, best=SimpleNamespace(number=number, value=value))
    evidence: Any = SimpleNamespace(standing=standing, comparison=compare(trials))
    return outcome_line(cast(Evidence, evidence))


def test_the_best_trial_has_its_interval() -> None:
    told = line((1, 0.7), predicted(1, 70), predicted(2, 60))
    assert told.startswith("3 trials, best 70.0 % (trial 1; 95 % interval 60.4 % to 78.1 %)")


def test_another_trials_interval_is_not_given_to_the_best() -> None:
    assert line((5, 0.9), predicted(1, 70), predicted(2, 60)) == "3 trials, best 90.0 % (trial 5)"


def test_who_was_chosen_from_one_has_nothing_to_correct() -> None:
    assert line((1, 0.7), predicted(1, 70)).endswith("corrected for the choice 70.0 %")
