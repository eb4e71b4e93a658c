"""Crews: which trials train together, and which take the slots that others leave.

A leader is drawn freely; then the parameters on which its fusion key depends are fixed, and the
sampler draws the rest for its companions. Architectures drawn freely almost never coincide
(256 draws with four widths a block gave 226 different networks), so cohorts must be asked for.
What was drawn and does not fit after all - a known good trial, a coefficient that switches a
shared parameter on - waits for its turn, which is before anything else is drawn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from optuna.trial import TrialState

from search.engine.claims import Claim, Refusal, claim
from search.engine.interrupts import held
from search.engine.running import Books
from search.engine.running_trial import Running
from search.engine.training_errors import blaming
from search.hosts.heartbeat import Silence
from search.sampling.samplers import Sampler
from search.sampling.seeds import member_seed
from search.space.values import Value
from search.studies.study import OpenStudy
from search.trainer import Member, Trainer
from search.trials.reading import CONFIG, DEATHS, ENVIRONMENT, SEED

_N_ROUNDS = 2
"""Cohorts' worth of trials that an architecture gets from one leader: its first companions, and
as many again in the slots they leave. The rung rule ends about half of them early."""

_MOST_DEATHS_TOGETHER = 2
"""Processes that may die over a trial before it trains with no other."""


@dataclass
class Crew:
    """The trials of one leader, which train as one cohort.

    Where all trials of a space share one fusion key, slots are refilled without limit. Else an
    architecture that one leader has drawn gets at most twice as many trials as train at once,
    so that it does not eat the study; it may well be drawn again.
    """

    fusion_key: str
    size: int
    """The most that train at once."""
    shared: Mapping[str, Value]
    """What the leader has drawn and its companions must have too."""
    limit: float
    """Trials in all, beyond which none is drawn for it; those that wait are let in regardless."""
    n_trials: int = 0
    """Trials in all so far."""


@dataclass
class Crews:
    """Claims trials and puts them together."""

    opened: OpenStudy
    trainer: Trainer
    books: Books
    sampler: Sampler
    total: int
    seed: int
    cohort: int | None
    """How many are to train together; None leaves it to the trainer."""
    silence: Silence = field(default_factory=Silence)
    """Tells which processes of other hosts have died."""
    _sizes: dict[str, int] = field(default_factory=dict)
    """By fusion key: the most that train at once, asked for or found out."""
    _has_said_less: bool = False

    def gather(self) -> Crew | Refusal:
        """Return a crew, its trials ready to train, or why there is no further trial."""
        leader = next(iter(self.books.waiting), None) or self._claim(self.sampler)
        if not isinstance(leader, Running):
            return leader
        crew = self._led_by(leader)
        self._let_in([leader], crew)
        self.fill(crew)
        return crew

    def fill(self, crew: Crew) -> list[Running]:
        """Let trials into a crew's free slots, first those that wait; return them.

        One that is to train alone is let into none: it leads a crew of its own.
        """
        books, n_free = self.books, crew.size - len(self.books.training)
        fitting = [run for run in books.waiting if _may_join(run, crew)]
        joined = fitting[:n_free]
        self._let_in(joined, crew)
        while len(joined) < n_free and self._may_draw_for(crew):
            claimed = self._claim(self.sampler.sharing(crew.shared))
            if not isinstance(claimed, Running):
                crew.limit = 0  # those that are there train on
            elif _may_join(claimed, crew):
                self._let_in([claimed], crew)
                joined.append(claimed)
        return joined

    def shrink(self, fusion_key: str, size: int) -> None:
        """Have fewer train at once from now on where this is the fusion key."""
        self._sizes[fusion_key] = size

    def may_lose(self) -> bool:
        """Tell whether a process of another host may yet prove to have died over a trial."""
        running = self.opened.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(map(self.silence.is_undecided, running))

    def _may_draw_for(self, crew: Crew) -> bool:
        # Once a whole cohort waits for its turn, nothing more is drawn ahead of it.
        return crew.n_trials < crew.limit and len(self.books.waiting) < crew.size

    def _let_in(self, runs: Sequence[Running], crew: Crew) -> None:
        for run in runs:
            run.is_training = True
        crew.n_trials += len(runs)

    def _led_by(self, leader: Running) -> Crew:
        """Return a crew without members: its size, and what its members share."""
        size = self._size(leader)
        if size == 1:
            return Crew(leader.fusion_key, size, shared={}, limit=1)
        with blaming([leader]):
            names = self.trainer.shared(leader.member.params)
        shared = {
            row.name: leader.drawn[row.name]
            for row in self.opened.space.active(leader.drawn)
            if row.name in names and row.n_values() != 1
        }
        return Crew(leader.fusion_key, size, shared, _N_ROUNDS * size if shared else math.inf)

    def _size(self, leader: Running) -> int:
        if self.cohort == 1 or leader.is_alone:
            return 1
        if leader.fusion_key not in self._sizes:
            with blaming([leader]):
                size = max(1, self.trainer.cohort_size(leader.member.params, self.cohort))
            self._sizes[leader.fusion_key] = size
            self._say_less(leader, size)
        return self._sizes[leader.fusion_key]

    def _say_less(self, leader: Running, size: int) -> None:
        if self.cohort is not None and size < self.cohort and not self._has_said_less:
            self._has_said_less = True
            self.books.display.said(
                f"--cohort {self.cohort}: no more than {size} networks like that of trial "
                f"{leader.member.key} fit into memory; larger ones may get fewer"
            )

    def _claim(self, sampler: Sampler) -> Running | Refusal:
        """Claim a trial, and write down what makes it again."""
        with held():
            saving = self.books.saving
            claimed = claim(
                self.opened,
                sampler,
                self.total,
                self.books.display.said,
                checkpoints=saving.checkpoints if saving else None,
                silence=self.silence,
            )
            if not isinstance(claimed, Claim):
                return claimed
            run = self._run(claimed)
            self.books.enter(run)
            with blaming([run]):
                run.fusion_key = self.trainer.fusion_key(run.member.params)
                run.config = self.trainer.config(run.member)
            run.trial.set_user_attr(SEED, run.member.seed)
            run.trial.set_user_attr(ENVIRONMENT, dict(self.trainer.environment))
            run.trial.set_user_attr(CONFIG, run.config)
            return run

    def _run(self, claimed: Claim) -> Running:
        """Return the trial as one that waits, with what a stopped one has left it."""
        trial, drawn, stopped = claimed.trial, claimed.params, claimed.continues
        seed = stopped.user_attrs[SEED] if stopped else member_seed(self.seed, claimed.place)
        params = {**self.opened.space.fixed, **drawn}
        run = Running(trial, drawn, Member(trial.number, params, seed), claimed.place)
        if found := claimed.checkpoint:
            run.member = replace(run.member, state=found.state)
            run.records += found.records
            run.at_epoch = found.epoch
        if stopped:
            # Whichever of a cohort it was over which processes died, the others shall not.
            run.is_alone = trial.user_attrs.get(DEATHS, {"n": 0})["n"] >= _MOST_DEATHS_TOGETHER
            epochs = f"epoch {found.epoch}" if found else "the beginning"
            self.books.display.said(
                f"trial {trial.number} goes on for trial {stopped.number}, from {epochs}"
            )
        return run


def _may_join(run: Running, crew: Crew) -> bool:
    return run.fusion_key == crew.fusion_key and not run.is_alone
