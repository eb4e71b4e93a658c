"""Studies as rounds of faults leave them, made by hand."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, create_trial

from benchmarks.faulting.setting import STUDY, Files
from search.storages.journal import Journal
from search.trials.reading import PLACE

N = 3


def trial(place: int, **more: Any) -> FrozenTrial:
    given: dict[str, Any] = {
        "value": 0.5,
        "params": {"lr": place / 10},
        "distributions": {"lr": FloatDistribution(0, 1)},
        "intermediate_values": {1: 0.4, 2: 0.5},
        "user_attrs": {PLACE: place},
    }
    return create_trial(**(given | more))


def kept(folder: Path, ones: Iterable[FrozenTrial]) -> Files:
    """Keep trials as the study of a round."""
    files = Files(folder)
    files.studies.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(Journal(files.journal))
    study = optuna.create_study(storage=storage, study_name=STUDY, direction="maximize")
    for one in ones:
        study.add_trial(one)
    return files
