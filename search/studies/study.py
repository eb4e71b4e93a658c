"""Opening a study: made once and pinned, or continued with what it was begun with."""

import uuid
import warnings
from dataclasses import dataclass, field

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import NopPruner
from optuna.study import Study

from commands.errors import UserError
from search.files.checkpoints import IDENTITY
from search.space import Space
from search.storages.storage import Place
from search.studies import pins
from search.studies.sound import check_sound, check_trainer
from search.trainer import Trainer
from search.trials.roll import Roll

_LONGEST_NAME = 200  # bytes; a file name of an export may have 255
_RESERVED_NAMES = frozenset({".", "..", "artifacts", "journal.log", "reference"})
"""What stands beside the studies' folders already."""


@dataclass(frozen=True)
class OpenStudy:
    """A study, what it searches, and where it is kept."""

    study: Study
    space: Space
    place: Place
    is_new: bool
    """Whether this process has begun it."""
    roll: Roll = field(default_factory=Roll, compare=False, repr=False)
    """What its trials come to."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.study_name


def open_study(place: Place, name: str, space: Space, trainer: Trainer) -> OpenStudy:
    """Make the study, or load it; refuse one begun with another space, data or objective."""
    check_name(name)
    check_trainer(trainer.data, trainer.objective)
    pinned = pins.pins(space, trainer)
    with place.lock:
        if name not in optuna.get_all_study_names(place.storage):
            optuna.create_study(storage=place.storage, study_name=name, direction="maximize")
        # Pruning is the engine's: it asks after all members of a cohort have reported.
        study = optuna.load_study(storage=place.storage, study_name=name, pruner=NopPruner())
        is_new = not study.get_trials(deepcopy=False) and not pins.is_pinned(study)
        if is_new:
            _begin(place, study, space, trainer)
    check_sound(study)
    pins.check(study, pinned)
    return OpenStudy(study, space, place, is_new)


def _begin(place: Place, study: Study, space: Space, trainer: Trainer) -> None:
    from search.notebook.beginning import begin  # imports statistics, for new studies alone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([trainer.metric])
    study.set_user_attr(IDENTITY, uuid.uuid4().hex[:12])
    pinned = pins.pins(space, trainer)
    begin(place, study, space, pinned)
    pins.pin(study, pinned)


def check_name(name: str) -> None:
    """Raise `UserError` for a name that files or commands could not carry."""
    is_bad_text = not name.isprintable() or name.startswith("-") or any(c in name for c in "/\\")
    if is_bad_text or name in _RESERVED_NAMES or not 0 < len(name.encode()) <= _LONGEST_NAME:
        raise UserError(
            f"--study {name!r}: a study's name has 1 to {_LONGEST_NAME} bytes, no slash, "
            "no control character, no - in front, and is none of "
            f"{', '.join(sorted(_RESERVED_NAMES))}"
        )
