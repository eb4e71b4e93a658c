"""Searches with the fake trainer, for the tests of everything that needs a study."""

from pathlib import Path

from optuna.trial import FrozenTrial

from search.displays.display import Display, QuietDisplay
from search.engine.engine import search
from search.engine.stopping import Stop, request
from search.files.artifact_place import ArtifactPlace
from search.files.artifacts import Artifacts
from search.hosts.heartbeat import Silence
from search.sampling.pruners import Pruner, make_pruner
from search.sampling.samplers import make_sampler
from search.space import Space
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.studies.study import OpenStudy, open_study
from search.trials.outcome import Outcome
from tests.search.fake_trainer import SPACE, FakeTrainer


def opened_in(
    folder: Path, space: Space = SPACE, trainer: FakeTrainer | None = None, name: str = "small"
) -> OpenStudy:
    place = open_storage(str(folder / "journal.log"))
    return open_study(place, name, space, trainer or FakeTrainer())


def searched(
    folder: Path,
    total: int,
    *,
    space: Space = SPACE,
    trainer: FakeTrainer | None = None,
    name: str = "small",
    sampler: str = "random",
    pruner: str | Pruner = "none",
    seed: int = 0,
    display: Display | None = None,
    timeout_s: float | None = None,
    cohort: int | None = 1,
    artifacts: ArtifactPlace | None = None,
    checkpoint_every_s: float = 0,
    silence: Silence | None = None,
) -> Outcome:
    """Run a search as a process of its own would: everything is opened anew."""
    trainer, display = trainer or FakeTrainer(), display or QuietDisplay()
    drawing = make_sampler(sampler, space, trainer.infeasible, seed)
    opened = opened_in(folder, space, trainer, name)
    return search(
        opened,
        trainer,
        total=total,
        sampler=drawing,
        pruner=make_pruner(pruner, trainer.epochs) if isinstance(pruner, str) else pruner,
        seed=seed,
        display=display,
        stop=Stop(opened.study, timeout_s=timeout_s, request=request(opened.study)),
        cohort=cohort,
        artifacts=Artifacts(artifacts, unreadable=display.said) if artifacts else None,
        checkpoint_every_s=checkpoint_every_s,
        silence=silence,
    )


def trials_in(folder: Path, name: str = "small") -> list[FrozenTrial]:
    """Read a study's trials back from the storage."""
    place = open_storage(str(folder / "journal.log"), create=False)
    return load_study(place, name).get_trials()
