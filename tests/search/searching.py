"""Searches with the fake trainer in any storage that is open."""

from search.displays.display import Display, QuietDisplay
from search.engine.engine import search
from search.hosts.heartbeat import Silence
from search.sampling.pruners import make_pruner
from search.sampling.samplers import make_sampler
from search.storages.storage import Place
from search.studies.study import open_study
from search.trials.outcome import Outcome
from tests.search.fake_trainer import SPACE, FakeTrainer


def searching(
    place: Place,
    total: int,
    *,
    sampler: str = "random",
    pruner: str = "rungs",
    display: Display | None = None,
    trainer: FakeTrainer | None = None,
    silence: Silence | None = None,
) -> Outcome:
    """Search until the study `small` has its total."""
    trainer = trainer or FakeTrainer()
    return search(
        open_study(place, "small", SPACE, trainer),
        trainer,
        total=total,
        sampler=make_sampler(sampler, SPACE, trainer.infeasible, 0),
        pruner=make_pruner(pruner, trainer.epochs),
        seed=0,
        display=display or QuietDisplay(),
        cohort=1,
        silence=silence,
    )
