"""The learning curves of a trial: written by the engine from its records, and read back.

A trial that ended, complete or pruned, leaves them as a small table among its files. Where that
is gone or damaged, or was never written, the values that Optuna keeps stand in for it.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from search.files.artifacts import Artifacts
from search.space.values import Value
from search.trainer import Record
from search.trials.reading import FAILURE

FILE = "history.csv"
"""A row an epoch; `epoch` and `value`, then the metrics that the trainer tells."""
_MOST_BYTES = 32 * 2**20
"""100,000 epochs of ten metrics have 10 MiB."""
_MOST_EPOCHS = 2**31 - 1
_FIRST = ("epoch", "value")
ENERGY = "energy_j"
"""A metric that an epoch may lack: whether the device tells has nothing to do with training."""


@dataclass(frozen=True)
class History:
    """What a trial reported, epoch by epoch; all tuples have one entry an epoch."""

    number: int
    state: str
    """`complete`, `pruned`, `fail` or `running`."""
    epochs: tuple[int, ...]
    """Counted from 1, rising."""
    values: tuple[float, ...]
    """The objective: validation accuracy."""
    metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The other columns by name; NaN where an epoch has none."""
    params: Mapping[str, Value] = field(default_factory=dict)
    """The trial's own parameters, without the space's fixed ones."""
    failure: str | None = None
    """Why training could not go on."""

    @property
    def is_complete(self) -> bool:
        """Whether the trial trained to its end."""
        return self.state == "complete"

    @property
    def best(self) -> float:
        """The highest value; minus infinity where there is none."""
        return max(filter(math.isfinite, self.values), default=-math.inf)

    def column(self, name: str) -> tuple[float, ...]:
        """Return a column, by the file's names; it is empty where the trial has none."""
        if name in _FIRST:
            return tuple(map(float, self.epochs)) if name == "epoch" else self.values
        return self.metrics.get(name, ())


def history_file(records: Sequence[Record]) -> bytes:
    """Return a trial's records as the content of the file."""
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*_FIRST, *names])
    for record in records:
        metrics = (record.metrics.get(name, math.nan) for name in names)
        rows.writerow([record.epoch, *(f"{value:.8g}" for value in (record.value, *metrics))])
    return text.getvalue().encode()


def read_history(trial: FrozenTrial, artifacts: Artifacts) -> History:
    """Return the curves of a trial, as much of them as there is."""
    content = artifacts.read(trial, FILE)
    if content is not None:
        try:
            return _history(trial, *_columns(content))
        except (ValueError, KeyError, TypeError, csv.Error):
            pass  # damaged: what Optuna has is better than nothing
    values = dict(sorted(trial.intermediate_values.items()))
    return _history(trial, tuple(values), tuple(values.values()), {})


def _history(
    trial: FrozenTrial,
    epochs: tuple[int, ...],
    values: tuple[float, ...],
    metrics: Mapping[str, tuple[float, ...]],
) -> History:
    failure = trial.user_attrs.get(FAILURE)
    return History(
        number=trial.number,
        state=trial.state.name.lower(),
        epochs=epochs,
        values=values,
        metrics=metrics,
        params=dict(trial.params),
        failure=failure if isinstance(failure, str) else None,
    )


def _columns(
    content: bytes,
) -> tuple[tuple[int, ...], tuple[float, ...], dict[str, tuple[float, ...]]]:
    """Return epochs, values and metrics; raises where the content is no such table."""
    if len(content) > _MOST_BYTES:
        raise ValueError("too large")
    rows = list(csv.DictReader(io.StringIO(content.decode()), strict=True))
    if not rows or not {*_FIRST} <= rows[0].keys():
        raise ValueError("no epochs")
    columns = {name: tuple(float(row[name]) for row in rows) for name in rows[0]}
    epochs = tuple(int(row["epoch"]) for row in rows)
    if list(epochs) != sorted(set(epochs)) or not 1 <= epochs[0] <= epochs[-1] <= _MOST_EPOCHS:
        raise ValueError("epochs do not rise from 1")
    metrics = {name: column for name, column in columns.items() if name not in _FIRST}
    return epochs, columns["value"], metrics
