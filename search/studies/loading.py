"""Loading a study to read it; one that is searched on is opened in `search.studies.study`."""

import optuna
from optuna.pruners import NopPruner
from optuna.study import Study

from commands.errors import UserError
from commands.nearest import did_you_mean
from search.storages.storage import Place
from search.studies.sound import check_sound


def load_study(place: Place, name: str) -> Study:
    """Load a study to read it; an unknown name is answered with those there are."""
    names = optuna.get_all_study_names(place.storage)
    if name not in names:
        meant = did_you_mean(name, names)
        there = f"there are {', '.join(names)}" if names else "it holds no study yet"
        raise UserError(f"study {name}: not in {place.given}{meant} ({there})")
    study = optuna.load_study(storage=place.storage, study_name=name, pruner=NopPruner())
    check_sound(study)
    return study
