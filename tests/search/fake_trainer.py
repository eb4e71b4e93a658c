"""A trainer made of arithmetic: learning curves in microseconds, no torch.

A trial's curve rises towards a height that its parameters decide; its seed adds nothing, so that
values can be computed by hand.
"""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search.space import Choice, Float, Int, Question, Space, Value, When
from search.trainer import Member

SPACE = Space(
    title="A small space",
    question=Question("Nothing was tried.", "Some height is best.", "Arithmetic."),
    parameters=(
        Int("depth", 1, 3),
        Float("lr", 1e-4, 1e-1, log=True),
        Float("drop_rate", 0.0, 0.5, step=0.1),
        Choice("pool", options=("average", "max")),
        Float("l2_2", 1e-5, 1e-2, log=True, when=When("depth", at_least=2)),
        Float("l2_3", 1e-5, 1e-2, log=True, when=When("depth", at_least=3)),
    ),
    fixed={"batch_size": 32},
    epochs=8,
)

GRID = Space(
    title="A grid",
    question=Question("Nothing.", "One is best.", "All of them."),
    parameters=(
        Choice("pool", options=("average", "max")),
        Int("depth", 1, 2),
        Float("drop_rate", 0.1, 0.3, step=0.1, when=When("depth", at_least=2)),
    ),
    epochs=2,
)


def deep_average_is_infeasible(params: Mapping[str, Value]) -> str | None:
    """An excuse to refuse about a third of SPACE, and one branch of GRID."""
    if params.get("depth", 0) != 1 and params.get("pool") == "average":
        return "the image shrinks below one pixel"
    return None


def height(params: Mapping[str, Value]) -> float:
    """What a trial's accuracy tends to: best at depth 2 and a learning rate of 1e-2."""
    lr = float(params.get("lr", 1e-2))
    distance = abs(math.log10(lr) + 2) / 4 + abs(float(params.get("depth", 2)) - 2) / 8
    return max(0.1, 0.9 - distance - float(params.get("drop_rate", 0.0)) / 4)


@dataclass(frozen=True)
class FakeRecord:
    key: int
    epoch: int
    value: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    images_per_s: float = 1000.0
    is_finished: bool = False
    failure: str | None = None


@dataclass
class FakeTrainer:
    epochs: int = 8
    metric: str = "val_accuracy"
    data: Mapping[str, Any] = field(
        default_factory=lambda: {"name": "digits", "source": "digits", "digest": "d" * 12}
    )
    seed: int = 0
    environment: Mapping[str, str] = field(default_factory=lambda: {"commit": "abc", "torch": "0"})
    infeasible: Callable[[Mapping[str, Value]], str | None] = lambda params: None
    before_epoch: Callable[[Member, int], str | None] = lambda member, epoch: None
    """Called before each epoch with the epoch's number; may raise, or return a failure."""
    curve: Callable[[Mapping[str, Value], int], float] = lambda params, epoch: (
        height(params) * (1 - 0.5**epoch)
    )
    more_metrics: Callable[[Member, int], Mapping[str, float]] = lambda member, epoch: {}
    files: Callable[[Member], Mapping[str, bytes]] = lambda member: {}
    """What a member leaves when it has ended; may raise."""
    shared_names: frozenset[str] = frozenset({"depth"})
    """What the fusion key depends on."""
    fitting: int = 1000
    """Members that fit into memory at once."""
    fastest: int = 2
    """Members that train fastest together."""
    members: list[Member] = field(default_factory=list)
    """All that were ever opened or admitted, in order."""
    asked: list[int | None] = field(default_factory=list)
    """What `cohort_size` was asked for."""
    cohorts: list[list[int]] = field(default_factory=list)
    """The keys of each cohort that was opened, those admitted later included."""
    trained: list[list[int]] = field(default_factory=list)
    """The keys of each epoch of a cohort."""

    @property
    def objective(self) -> Mapping[str, Any]:
        return {"metric": self.metric, "epochs": self.epochs, "seed": self.seed}

    def config(self, member: Member) -> dict[str, Any]:
        return {"network": dict(member.params), "training": {"seed": member.seed}}

    def shared(self, params: Mapping[str, Value]) -> frozenset[str]:
        return self.shared_names & params.keys()

    def fusion_key(self, params: Mapping[str, Value]) -> str:
        return str({name: params[name] for name in sorted(self.shared(params))})

    def cohort_size(self, params: Mapping[str, Value], wanted: int | None) -> int:
        self.asked.append(wanted)
        size = wanted or self.fastest
        while size > self.fitting:
            size //= 2
        return max(1, size)

    def open(self, members: Sequence[Member]) -> "FakeCohort":
        cohort = FakeCohort(self)
        self.cohorts.append([])
        cohort.admit(members)
        return cohort


@dataclass
class FakeCohort:
    trainer: FakeTrainer
    members: list[Member] = field(default_factory=list)
    epochs: dict[int, int] = field(default_factory=dict)
    """Epochs completed, by key."""

    def train_epoch(self) -> Sequence[FakeRecord]:
        self.trainer.trained.append([member.key for member in self.members])
        return [self._record(member) for member in self.members]

    def save(self, key: int) -> bytes:
        return json.dumps({"epoch": self.epochs[key]}).encode()

    def files(self, key: int) -> Mapping[str, bytes]:
        [member] = [member for member in self.members if member.key == key]
        return self.trainer.files(member)

    def drop(self, keys: Collection[int]) -> None:
        self.members = [member for member in self.members if member.key not in keys]

    def admit(self, members: Sequence[Member]) -> None:
        self.members += members
        n_keys = len({self.trainer.fusion_key(member.params) for member in self.members})
        assert n_keys == 1, "members of a cohort share a fusion key"
        if (n := len(self.members)) > self.trainer.fitting:
            raise MemoryError(f"{n} GiB are needed, {self.trainer.fitting} are there")
        epochs = {member.key: _epoch(member) for member in members}
        self.trainer.members += members
        self.trainer.cohorts[-1] += [member.key for member in members]
        self.epochs |= epochs

    def _record(self, member: Member) -> FakeRecord:
        self.epochs[member.key] += 1
        epoch = self.epochs[member.key]
        failure = self.trainer.before_epoch(member, epoch)
        return FakeRecord(
            key=member.key,
            epoch=epoch,
            value=math.nan if failure else self.trainer.curve(member.params, epoch),
            metrics={"train_accuracy": 0.5, **self.trainer.more_metrics(member, epoch)},
            is_finished=epoch == self.trainer.epochs,
            failure=failure,
        )


def _epoch(member: Member) -> int:
    """Return after which epoch a member goes on."""
    epoch: int = 0 if member.state is None else json.loads(member.state)["epoch"]
    return epoch
