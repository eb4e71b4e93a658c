"""Searching a space with any trainer: what `search.run` does once it has one.

A trainer of one's own needs nothing but the shape of `search.trainer.Trainer`. Several workers
and Ray are processes of the command, and begin there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from optuna.study import Study
from optuna.trial import FrozenTrial

from commands.telling import to_stderr
from search.displays.display import Display, make_display
from search.engine.claims import n_counted
from search.engine.engine import search
from search.engine.saving import DEFAULT_BETWEEN_S
from search.engine.stopping import Stop, request
from search.files.artifact_place import ArtifactPlace
from search.files.artifacts import DEFAULT_ARTIFACTS, Artifacts, open_artifacts
from search.options import DEFAULT_TRIALS
from search.sampling.drawing import check_trainable
from search.sampling.pruners import PRUNERS, Pruner, make_pruner
from search.sampling.samplers import SAMPLERS, Sampler, make_sampler
from search.space import Space
from search.storages.patience import Patience
from search.storages.storage import DEFAULT_STORAGE, Place, open_storage
from search.studies.methods import keep_method, method
from search.studies.study import OpenStudy, check_name, open_study
from search.trainer import Trainer
from search.trials.outcome import Outcome


@dataclass(frozen=True)
class Settings:
    """How a space is searched, whatever trains."""

    study: str
    """The study's name; one that exists is continued."""
    trials: int = DEFAULT_TRIALS
    """The study's total, however many searches it takes."""
    storage: str = DEFAULT_STORAGE
    """A journal's path, or a database's address."""
    artifacts: ArtifactPlace = DEFAULT_ARTIFACTS
    """Where trials leave their files."""
    sampler: str | None = None
    """None: the grid for a space of at most 50 points, else TPE."""
    pruner: str = PRUNERS[0]
    seed: int = 0
    cohort: int | None = 1
    """How many trials train together, where they fit; None: as many as train fastest."""
    timeout_s: float | None = None
    checkpoint_every_s: float = DEFAULT_BETWEEN_S
    """The most that a trial loses when its process dies, if an epoch does not take longer."""


@dataclass(frozen=True)
class Searched:
    """A study after a search, and how that ended."""

    opened: OpenStudy
    outcome: Outcome

    @property
    def study(self) -> Study:
        """The study, as Optuna knows it."""
        return self.opened.study

    @property
    def place(self) -> Place:
        """Where the study is kept."""
        return self.opened.place

    @property
    def best(self) -> FrozenTrial | None:
        """The best complete trial; None if there is none."""
        return self.outcome.best


@dataclass(frozen=True)
class Ready:
    """A search that is ready: all is checked, and the study is pinned."""

    settings: Settings
    opened: OpenStudy
    trainer: Trainer
    sampler: Sampler
    pruner: Pruner
    used: Mapping[str, str]
    """The method of the search: see `search.studies.methods`."""
    n_expected: int
    """Trials that the study will have."""

    def run(self, display: Display, timeout_s: float | None, asked: str | None) -> Outcome:
        """Search in this process.

        Args:
            asked: the request to stop that was there before the search began.
        """
        settings, study = self.settings, self.opened.study
        if n_counted(self.opened) < settings.trials:  # else nothing is searched
            keep_method(self.opened, self.used)
        return search(
            self.opened,
            self.trainer,
            total=settings.trials,
            sampler=self.sampler,
            pruner=self.pruner,
            seed=settings.seed,
            display=display,
            stop=Stop(study, timeout_s=timeout_s, say=display.said, request=asked),
            cohort=settings.cohort,
            artifacts=Artifacts(settings.artifacts, unreadable=display.warned),
            checkpoint_every_s=settings.checkpoint_every_s,
        )

    def searched(self, *, is_quiet: bool) -> Searched:
        """Search in this process, shown as the command shows it."""
        name = self.opened.name
        display = make_display(name, self.n_expected, self.trainer.epochs, is_quiet=is_quiet)
        asked = request(self.opened.study)
        return Searched(self.opened, self.run(display, self.settings.timeout_s, asked))


def search_space(
    space: Space, trainer: Trainer, settings: Settings, *, is_quiet: bool = False
) -> Searched:
    """Search a space until its study has its total, in this process.

    Raises `UserError` for a space that cannot be trained, or a study begun with another. Ctrl-C
    ends the search in order, and the outcome says so; the same call goes on.

    Args:
        is_quiet: show warnings alone; otherwise a line for each trial, or a live table.
    """
    return make_ready(space, trainer, settings).searched(is_quiet=is_quiet)


def make_ready(
    space: Space,
    trainer: Trainer,
    settings: Settings,
    *,
    pictures: Callable[[], Mapping[str, bytes]] | None = None,
    patience: Patience | None = None,
    is_worker: bool = False,
) -> Ready:
    """Make everything ready; what a mistake would leave behind is made last.

    Args:
        pictures: of the data, by file name, drawn for a new study and kept with it.
        patience: with which a database is asked that does not answer.
        is_worker: whether another process has made storage and study already.
    """
    check_name(settings.study)
    check_trainable(space, trainer.infeasible)
    sampler_name = settings.sampler or fitting_sampler(space)
    sampler = make_sampler(sampler_name, space, trainer.infeasible, settings.seed)
    pruner = make_pruner(settings.pruner, trainer.epochs)
    artifacts = open_artifacts(settings.artifacts, create=True)
    place = open_storage(settings.storage, create=not is_worker, patience=patience)
    opened = open_study(place, settings.study, space, trainer)
    if opened.is_new and pictures is not None:
        _keep(opened.study, pictures, artifacts)
    n_expected = settings.trials
    if sampler_name == "grid":  # which ends with its last point
        n_expected = min(n_expected, space.n_grid_points() or n_expected)
    used = method(sampler_name, settings.pruner, settings.cohort)
    return Ready(settings, opened, trainer, sampler, pruner, used, n_expected)


def fitting_sampler(space: Space) -> str:
    """Return the grid for a space that can be tried whole, else the default sampler.

    Not by the number of trials: a study that is continued with more of them keeps its sampler.
    """
    n_points = space.n_grid_points()
    return "grid" if n_points is not None and n_points <= DEFAULT_TRIALS else SAMPLERS[0]


def _keep(study: Study, pictures: Callable[[], Mapping[str, bytes]], artifacts: Artifacts) -> None:
    """Keep pictures of the data with a new study; where there is no room for them, none."""
    try:
        artifacts.keep(study, pictures())
    except OSError as error:
        reason = error.strerror or error
        to_stderr(f"--artifacts {artifacts.folder}: {reason}: pictures of the data are not kept")
