"""The members of an ensemble: what is to be trained, what is trained already, and training it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from commands.errors import UserError
from mame_cnn.configuration.config import Config
from mame_cnn.configuration.config_file import members_of, read_config
from mame_cnn.data.dataset import Dataset
from mame_cnn.inputs.device_data import DeviceData
from mame_cnn.models.ensemble import Member
from mame_cnn.models.model_file import WEIGHTS, read_model
from mame_cnn.runs.final_training import Failed, check_feasible
from mame_cnn.runs.run_folder import numbered
from mame_cnn.runs.run_keeper import RunKeeper
from mame_cnn.runs.training_display import TrainingDisplay
from mame_cnn.runs.training_of_many import train_all
from mame_cnn.runs.training_plan import Plan, with_seed

Identity = tuple[str, str, str, float | None]
"""Digests of configuration and data, what was trained on, and until when if that was fixed."""


@dataclass(frozen=True)
class Recipe:
    """One configuration file."""

    name: str
    config: Config
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One network to train: a recipe with a seed."""

    name: str
    config: Config
    provenance: Mapping[str, Any]
    """Of the recipe; its searched score is that of the first seed."""
    kept_epoch: int | None = None
    """The last one, which is kept, where validation images are trained on."""


def read_recipes(paths: Sequence[Path]) -> list[Recipe]:
    """Return the configurations of files, and of the .toml files in folders, in their order.

    A file that names members stands for these.

    Raises `UserError` naming everything that is wrong with any of them.
    """
    files, faults = [], []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.toml"))
            files += inside
            if not inside:
                faults.append(f"{path}: no .toml file in it; expected exported configurations")
        else:
            files.append(path)
    read: dict[Path, Recipe] = {}
    for file in files:
        try:
            for one in members_of(file) or (file,):
                read[one] = Recipe(one.stem, *read_config(one))
        except UserError as error:
            faults.append(str(error))
    recipes = [*read.values()]
    names = [recipe.name for recipe in recipes]
    faults += [f"two files are called {name}.toml" for name in {*names} if names.count(name) > 1]
    sizes = {recipe.config.data.image_size for recipe in recipes}
    if len(sizes) > 1:
        listed = ", ".join(f"{r.name} {r.config.data.image_size}" for r in recipes)
        faults.append(f"members must take images of one size, these take (px): {listed}")
    if faults:
        raise UserError("\n".join(faults))
    return recipes


def common_source(recipes: Sequence[Recipe]) -> str:
    """Return the data that all configurations name."""
    sources = {recipe.config.data.source for recipe in recipes}
    if len(sources) > 1:
        listed = ", ".join(f"{recipe.name} {recipe.config.data.source}" for recipe in recipes)
        raise UserError(f"the configurations name different data, choose with --data: {listed}")
    return sources.pop()


def jobs(recipes: Sequence[Recipe], plan: Plan, source: str, n_seeds: int) -> list[Job]:
    """Return every recipe with every seed, without repetitions of one configuration."""
    unique: dict[str, Job] = {}
    for recipe in recipes:
        config = plan.applied(recipe.config, source)
        for number in range(n_seeds):
            seeded = with_seed(config, number)
            name = f"{recipe.name}-seed-{number + 1}"
            unique.setdefault(seeded.digest, Job(name, seeded, recipe.provenance))
    return list(unique.values())


def trained_already(folder: Path, room: str, console: Console) -> dict[Identity, Member]:
    """Return the members that lie in a room of an ensemble's folder, by what identifies them.

    Damaged ones are told and left where they are; they will be trained again.
    """
    found: dict[Identity, Member] = {}
    for path in sorted((folder / room).glob(f"[!.]*/{WEIGHTS}")):
        try:
            model = read_model(path)
        except UserError as error:
            console.print(f"not used, will be trained again: {error}", markup=False)
            continue
        splits = str(model.training.get("splits", "train"))
        kept_epoch = model.metrics.get("best_epoch") if model.saw_val else None
        identity = (model.config.digest, model.data_digest, splits, kept_epoch)
        name = path.parent.name
        found.setdefault(identity, Member(name, f"{room}/{name}", model))
    return found


@dataclass(frozen=True)
class MemberTraining:
    """Trains what is missing, each network kept as soon as it ended."""

    folder: Path
    """The ensemble's."""
    room: str
    """The folder within it where the members' runs lie."""
    dataset: Dataset
    data: DeviceData
    plan: Plan
    keeper: RunKeeper
    console: Console

    def members(self, wanted: Sequence[Job]) -> Iterator[tuple[Job, Member | Failed]]:
        """Yield every job with its member or why there is none, in the order of jobs.

        `UserError` naming every network that the images are not enough for; `KeyboardInterrupt`
        once what Ctrl-C interrupted has ended; only whole trainings are kept.
        """
        there = trained_already(self.folder, self.room, self.console)
        missing = [job for job in wanted if self._identity(job) not in there]
        if len(missing) < len(wanted):
            n_there = len(wanted) - len(missing)
            self.console.print(f"{n_there} of {len(wanted)} members are trained already")
        endings = {job.name: ending for job, ending in self._trained(missing)}
        for job in wanted:
            known = there.get(self._identity(job))
            yield job, known if known is not None else endings[job.name]

    def _identity(self, job: Job) -> Identity:
        return job.config.digest, self.dataset.digest, self.plan.splits, job.kept_epoch

    def _trained(self, missing: Sequence[Job]) -> Iterator[tuple[Job, Member | Failed]]:
        if not missing:
            return
        names = [job.name for job in missing]
        check_feasible([job.config for job in missing], self.data, names)
        epochs = max(job.kept_epoch or job.config.training.epochs for job in missing)
        display = TrainingDisplay(self.console, names, epochs)
        is_interrupted = False
        with display.shown():
            for place, ending in train_all(
                [job.config for job in missing],
                self.data,
                cohort=self.plan.cohort_size(self.data.scale.device),
                on_epoch=display.epoch,
                kept_epochs=[job.kept_epoch for job in missing],
            ):
                job = missing[place]
                if ending.is_interrupted:
                    is_interrupted = True
                    continue
                if isinstance(ending, Failed):
                    yield job, ending
                    continue
                run = self.keeper.keep(job.config, job.provenance, ending, self._places(job))
                model = read_model(run / WEIGHTS)
                yield job, Member(run.name, f"{self.room}/{run.name}", model)
        if is_interrupted:
            raise KeyboardInterrupt

    def _places(self, job: Job) -> Iterator[Path]:
        parent = self.folder / self.room
        parent.mkdir(exist_ok=True)
        yield parent / job.name
        yield from numbered(parent, f"{job.name}-again")
