"""A study of default settings, for the benchmarks that measure what studies take."""

from pathlib import Path

from search.displays.display import Display, QuietDisplay
from search.engine.engine import search
from search.files.artifacts import Artifacts
from search.sampling.pruners import PRUNERS, make_pruner
from search.sampling.samplers import SAMPLERS, make_sampler
from search.space.file import load_space
from search.storages.storage import open_storage
from search.studies.study import open_study
from search.trainer import Trainer
from search.trials.outcome import Outcome

STUDY = "benchmark"
"""The study's name in its journal."""


def run_study(
    trainer: Trainer,
    space: Path,
    journal: Path,
    *,
    total: int,
    sampler: str = SAMPLERS[0],
    display: Display | None = None,
    cohort: int | None = 1,
) -> Outcome:
    """Run a study, or continue it as a new process would, until it has its total."""
    declared = load_space(space)
    return search(
        open_study(open_storage(str(journal)), STUDY, declared, trainer),
        trainer,
        total=total,
        sampler=make_sampler(sampler, declared, trainer.infeasible, seed=0),
        pruner=make_pruner(PRUNERS[0], trainer.epochs),
        seed=0,
        display=QuietDisplay() if display is None else display,
        cohort=cohort,
        artifacts=Artifacts(journal.parent / "artifacts"),
    )
