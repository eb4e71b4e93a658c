"""The seam between the search and whatever trains: a small protocol, and nothing to inherit.

Flat parameters go one way, one record for each trial and epoch comes back. All of it is
structural, so a trainer imports nothing from here: `mame_cnn.trials.trainer` is one, made of
torch; the tests of this package use another, made of arithmetic.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from search.space.values import Value


@dataclass(frozen=True)
class Member:
    """One trial as a trainer sees it."""

    key: int
    """Names the member in records, whatever its slot; the engine uses the trial's number."""
    params: Mapping[str, Value]
    """The space's fixed values and the trial's own, active parameters only."""
    seed: int
    """Seeds all that is random in this member alone: its weights and its dropout."""
    state: bytes | None = field(default=None, repr=False)
    """Where it goes on from, as `Cohort.save` gave it; None: it begins."""


class Record(Protocol):
    """What one member did in one epoch."""

    @property
    def key(self) -> int:
        """The member's key."""

    @property
    def epoch(self) -> int:
        """Epochs completed by this member, counted from 1."""

    @property
    def value(self) -> float:
        """The objective of this epoch: validation accuracy, a share in [0, 1]."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Whatever else is worth keeping, by name: losses, training accuracy, learning rate."""

    @property
    def images_per_s(self) -> float:
        """Training images of this member over the wall-clock seconds of its epoch."""

    @property
    def is_finished(self) -> bool:
        """Whether the member wants no further epoch: budget spent, or stopped early."""

    @property
    def failure(self) -> str | None:
        """Why training cannot go on (a loss that is not finite, say); None if it can."""


class Cohort(Protocol):
    """Members of one fusion key, trained together as one network."""

    def train_epoch(self) -> Sequence[Record]:
        """Train every member for one epoch and return one record a member."""

    def save(self, key: int) -> bytes:
        """Return all that a member needs to go on after the epoch that has just ended.

        Made into a member again, it ends as it would have without a break: on one CPU in one
        thread with the same numbers, whatever cohort it is in.
        """

    def files(self, key: int) -> Mapping[str, bytes]:
        """Return what is to be kept of a member that has ended and not yet been dropped.

        By file name. Under `val_probabilities.npz` classifiers leave what they said of the
        validation images in the member's best epoch, as `search.files.predictions` reads it.
        """

    def drop(self, keys: Collection[int]) -> None:
        """Remove members; those that stay are trained on as if the others had never been."""

    def admit(self, members: Sequence[Member]) -> None:
        """Take in members of the same fusion key between two epochs.

        Each starts with its own first epoch, schedule and early stopping, or goes on from its
        state.
        """


class Trainer(Protocol):
    """Anything that trains trials.

    `open` and a cohort's `admit` and `train_epoch` raise `MemoryError`, saying how much was needed
    and how much there is, where members do not fit; the engine then tries fewer. `open` and
    `admit` raise `ValueError` for a member whose state is damaged or another network's; the
    engine then lets it begin again. Any of them raises `SystemExit` where this process can train
    no more, as when its GPU has failed: trials are lost by that, and another process goes on.
    """

    @property
    def metric(self) -> str:
        """What `Record.value` is, as shown to people: `val_accuracy`."""

    @property
    def epochs(self) -> int:
        """The most epochs that a trial trains; rungs are fractions of it."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Identity of the data: at least the texts `name`, `source` and `digest`.

        Whatever else JSON has may stand beside them.
        """

    @property
    def objective(self) -> Mapping[str, str | float | None]:
        """All else that comparable values share, by name: metric, epochs, image size, seed."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Versions, device and commit, kept with each trial as provenance."""

    def infeasible(self, params: Mapping[str, Value]) -> str | None:
        """Say why these parameters cannot be trained on this data, or None if they can."""

    def config(self, member: Member) -> dict[str, Any]:
        """Return the complete, frozen configuration as plain nested values for TOML."""

    def fusion_key(self, params: Mapping[str, Value]) -> str:
        """Return what must be equal for two members to train together, as a digest."""

    def shared(self, params: Mapping[str, Value]) -> frozenset[str]:
        """Return the names among these on which the fusion key depends.

        Parameters that are equal under these names, drawn and fixed ones, share the key.
        """

    def cohort_size(self, params: Mapping[str, Value], wanted: int | None) -> int:
        """Return how many members like this are to train together, at least 1.

        Args:
            params: of one of them.
            wanted: as many if they fit into memory, else half as many, and so on; None: as many
                as train fastest together.
        """

    def open(self, members: Sequence[Member]) -> Cohort:
        """Start a cohort of members that share a fusion key."""
