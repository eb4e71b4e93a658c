"""Optuna's own replay of records, which says what each of them is worth to it."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend


class _Records(BaseJournalBackend):
    """Records in memory, as a journal that nobody writes to."""

    def __init__(self) -> None:
        self.records: Sequence[Mapping[str, Any]] = ()
        self.at = 0
        """The record that is being replayed."""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the records from this one on."""
        for at in range(log_number_from, len(self.records)):
            self.at = at
            yield dict(self.records[at])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refuse."""
        raise RuntimeError("a journal that is being examined is not written to")


def replay(records: Sequence[Mapping[str, Any]]) -> tuple[JournalStorage, dict[int, str]]:
    """Return the studies of these records, to be read, and why which records were rejected."""
    backend = _Records()
    storage = JournalStorage(backend)
    backend.records = records
    rejected: dict[int, str] = {}
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of distributions, as search.run has heard before
                storage.get_all_studies()
        except Exception as error:  # it asserts, looks up and converts as it goes
            rejected[backend.at] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        else:
            return storage, rejected
