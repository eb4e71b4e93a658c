"""What a trainer raises, told apart from errors of the storage and of the search itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from search.engine.running_trial import Running


class TrainingError(Exception):
    """The trainer has raised.

    Args:
        runs: the trials that it was busy with.
        error: what it raised.
    """

    def __init__(self, runs: Sequence[Running], error: Exception) -> None:
        super().__init__(str(error))
        self.runs = tuple(runs)
        self.error = error


@contextmanager
def blaming(runs: Sequence[Running]) -> Iterator[None]:
    """Turn what the trainer raises inside the block into a `TrainingError` of these trials."""
    try:
        yield
    except Exception as error:
        raise TrainingError(runs, error) from error
