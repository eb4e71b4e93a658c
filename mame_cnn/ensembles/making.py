"""From trained members to an ensemble's folder, step by step.

Members are trained or found, asked about validation images, combined as wins out of fold, and
written down; specialists are trained after them and kept if they win.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from commands.errors import UserError, naming
from mame_cnn.combining.groups import Groups, confused_groups
from mame_cnn.combining.out_of_fold import folds_of
from mame_cnn.data.dataset import Dataset
from mame_cnn.ensembles.choice import Choice, choose
from mame_cnn.ensembles.members import Job, MemberTraining
from mame_cnn.ensembles.specialist_data import regrouped, within
from mame_cnn.ensembles.summary import TABLES, figures, say, write_tables
from mame_cnn.environment import environment
from mame_cnn.evaluate import EVALUATION
from mame_cnn.inputs.device_data import to_device
from mame_cnn.models.answers import OUT_OF_FOLD, known_metadata
from mame_cnn.models.ensemble import Ensemble, Member, Specialists
from mame_cnn.models.ensemble_file import write_ensemble
from mame_cnn.models.model import Model, Probs
from mame_cnn.models.onnx_export import ONNX
from mame_cnn.models.views import VIEWS
from mame_cnn.runs.final_training import Failed
from mame_cnn.runs.run_folder import unfinished_run
from mame_cnn.runs.run_keeper import RunKeeper
from mame_cnn.runs.training_plan import Plan
from mame_cnn.scoring.evaluation import evaluate
from mame_cnn.scoring.probabilities_file import write_probabilities
from mame_cnn.seeds import derive_seed

CHOICE_SEED = 0
"""Of folds and resamples: the same members give the same ensemble."""


@dataclass(frozen=True)
class Wishes:
    """What is asked of an ensemble, beside its members."""

    combiner: str | None = None
    """None: the one that is right most often out of fold."""
    tta: str = "none"
    """How often an image is looked at: one of `VIEWS`, or "auto" for what wins out of fold."""
    specialists: int | None = None
    """Groups of confused classes, 0 for as many as confusions show; None: no specialists."""


@dataclass(frozen=True)
class Making:
    """One command's making of one ensemble."""

    folder: Path
    dataset: Dataset
    device: torch.device
    precision: torch.dtype
    plan: Plan
    wishes: Wishes
    console: Console

    def make(self, jobs: Sequence[Job]) -> None:
        """Train what is missing, choose a combination, and write the ensemble.

        What is to be trained on validation images too is trained without them first, to choose.
        """
        classes = self.dataset.classes
        # Refuses what could not be compared once all members are trained.
        folds_of(self.dataset.val.labels, len(classes), classes)
        without = replace(self.plan, uses_val=False)
        members = self._members(jobs, without, "members")
        probs = self._asked(members)
        choice = self._chosen(probs)
        specialists = None
        if self.wishes.specialists is not None:
            specialists, choice = self._with_specialists(members, probs, choice)
        used = self._refitted(members) if self.plan.uses_val else members
        ensemble = Ensemble(
            members=tuple(used),
            combination=choice.combination,
            temperature=choice.calibration.temperature,
            views=choice.views,
            specialists=specialists,
            out_of_fold=figures(choice),
            provenance={"environment": environment(self.device, self.precision)},
        )
        with naming(self.folder):
            self._write(ensemble, choice, members)
        say(self.console, choice, members)

    def _write(self, ensemble: Ensemble, choice: Choice, members: Sequence[Member]) -> None:
        """Put the ensemble in place of an earlier one.

        Whenever this is cut short, nothing of one ensemble lies beside the other's file: what is
        missing then is told as missing, and the same command makes it.
        """
        folder, val = self.folder, self.dataset.val
        unfinished = folder / f".unfinished-{OUT_OF_FOLD}"
        write_probabilities(unfinished, choice.probs, val.labels, val.names, self.dataset.classes)
        for name in (OUT_OF_FOLD, *TABLES, ONNX):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / EVALUATION, ignore_errors=True)
        write_ensemble(folder, ensemble)
        os.replace(unfinished, folder / OUT_OF_FOLD)
        write_tables(folder, choice, members)

    def _members(self, jobs: Sequence[Job], plan: Plan, room: str) -> list[Member]:
        """Return the members of all jobs that could be trained, and tell of the others."""
        members, failures = [], []
        for job, outcome in self._trained(jobs, self.dataset, plan, room):
            if isinstance(outcome, Failed):
                failures.append(f"{job.name}: {outcome.reason}")
            else:
                members.append(outcome)
        for failure in failures:
            self.console.print(f"left out: {failure}", markup=False)
        if not members:
            raise UserError("no member could be trained:\n" + "\n".join(failures))
        return members

    def _refitted(self, members: Sequence[Member]) -> list[Member]:
        """Return the members trained on validation images too, up to the epochs that were best.

        All or none: weights of a combination belong to all of its members.
        """
        refitted = self._members([_again(member) for member in members], self.plan, "refitted")
        if len(refitted) < len(members):
            raise UserError(
                f"--train-on-val: {len(members) - len(refitted)} of {len(members)} members failed "
                "with validation images added; without the option the ensemble can be made"
            )
        return refitted

    def _trained(
        self, jobs: Sequence[Job], dataset: Dataset, plan: Plan, room: str
    ) -> list[tuple[Job, Member | Failed]]:
        data = plan.data(to_device(dataset, self.device, precision=self.precision))
        with unfinished_run(self.folder) as staging:
            versions = environment(self.device, self.precision)
            keeper = RunKeeper(staging, dataset, versions, plan.splits)
            training = MemberTraining(self.folder, room, dataset, data, plan, keeper, self.console)
            return list(training.members(jobs))

    def _asked(self, members: Sequence[Member]) -> dict[str, Probs]:
        """Return what members say of validation images, [M, N, K], for each way to look."""
        tta = self.wishes.tta
        return {
            views: np.stack([self._probs(member.model, views) for member in members])
            for views in ([*VIEWS] if tta == "auto" else [tta])
        }

    def _probs(self, asked: Model | Specialists, views: str) -> Probs:
        """Return what is said of validation images, [N, K]."""
        val = self.dataset.val
        metadata = known_metadata(val)
        return asked.probs(val.images, self.device, self.precision, views, metadata=metadata)

    def _chosen(self, probs: Mapping[str, Probs]) -> Choice:
        return choose(
            probs,
            self.dataset.val.labels,
            seed=CHOICE_SEED,
            classes=self.dataset.classes,
            combiner=self.wishes.combiner,
        )

    def _with_specialists(
        self, members: Sequence[Member], probs: Mapping[str, Probs], choice: Choice
    ) -> tuple[Specialists | None, Choice]:
        """Train specialists; return them with the choice that has them if that wins."""
        dataset = self.dataset
        confusions = evaluate(choice.probs, dataset.val.labels, dataset.classes).confusions
        groups = confused_groups(confusions.to_numpy(), self.wishes.specialists or None)
        told = "; ".join(" + ".join(dataset.classes[k] for k in group) for group in groups)
        self.console.print(f"groups of confused classes: {told}", markup=False)
        if len(groups) in (1, len(dataset.classes)):
            self.console.print("no specialists: the classes fall into no groups")
            return None, choice
        best = max(members, key=lambda member: member.model.metrics.get("val_accuracy", 0.0))
        specialists = self._train_specialists(groups, best)
        if specialists is None:
            return None, choice
        joined = {}
        for views, own in probs.items():
            joined[views] = np.concatenate([own, self._probs(specialists, views)[None]])
        with_them = self._chosen(joined)
        gain = 100 * (with_them.row.accuracy - choice.row.accuracy)
        wins = with_them.row.accuracy > choice.row.accuracy
        self.console.print(
            f"with specialists {with_them.row.accuracy:.1%} out of fold, {gain:+.1f} points: "
            f"{'kept' if wins else 'not kept'}"
        )
        if wins:
            return specialists, replace(with_them, rivals=tuple(choice.comparisons.values()))
        return None, replace(choice, rivals=tuple(with_them.comparisons.values()))

    def _train_specialists(self, groups: Groups, best: Member) -> Specialists | None:
        """Train a general network and one a group, configured as the best member."""
        parts = {"general": regrouped(self.dataset, groups)}
        parts |= {
            f"group-{number}": within(self.dataset, group)
            for number, group in enumerate(groups, start=1)
            if len(group) > 1
        }
        trained: dict[str, Member] = {}
        for name, part in parts.items():
            config = best.model.config
            seed = derive_seed(config.seed, "specialists", len(trained))
            job = Job(name, config.model_copy(update={"seed": seed}), {})
            without = replace(self.plan, uses_val=False)
            [(_, outcome)] = self._trained([job], part, without, "specialists")
            if isinstance(outcome, Failed):
                self.console.print(f"no specialists: {name}: {outcome.reason}", markup=False)
                return None
            trained[name] = replace(outcome, name=f"specialists/{outcome.name}")
        return Specialists(
            groups=groups,
            general=trained["general"],
            experts=tuple(trained.get(f"group-{number}") for number in range(1, len(groups) + 1)),
        )


def _again(member: Member) -> Job:
    """Return the repetition of a training up to its best epoch, with no early stopping."""
    model = member.model
    config = model.config
    training = config.training.model_copy(update={"patience_epochs": 0})
    config = config.model_copy(update={"training": training})
    kept_epoch = int(model.metrics["best_epoch"])
    return Job(member.name, config, model.provenance, kept_epoch)
