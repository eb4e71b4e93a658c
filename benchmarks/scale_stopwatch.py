"""Seconds that a process loses to its storage, told apart by where: measured, not sampled.

The lock of the claims and the storage are looked at from outside, so what is timed is what ships.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, cast

from optuna.storages import BaseStorage

from search.storages.storage import Lock, Place


@dataclass(frozen=True)
class Seconds:
    """What passed so far, in seconds of the wall clock."""

    storage_s: float = 0.0
    """In calls of the storage, under the lock or not."""
    waited_s: float = 0.0
    """For the lock: of other processes, and of a connection to the server that keeps it."""
    held_s: float = 0.0
    """Under the lock: only one process of the study can be there."""
    slept_s: float = 0.0
    """Training."""

    def since(self, then: "Seconds") -> "Seconds":
        """Return what has passed since then."""
        return Seconds(
            *(getattr(self, name) - getattr(then, name) for name in self.__dataclass_fields__)
        )


@dataclass
class Stopwatch:
    """Adds up the seconds of the thread that made it; of nested spans the outermost counts."""

    seconds: Seconds = Seconds()
    _within: set[str] = field(default_factory=set)
    _thread: int = field(default_factory=threading.get_ident)

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Count the block's seconds under a name of `Seconds`."""
        if name in self._within or threading.get_ident() != self._thread:
            yield
            return
        self._within.add(name)
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self._within.remove(name)
            passed_s = getattr(self.seconds, name) + time.perf_counter() - began_s
            self.seconds = replace(self.seconds, **{name: passed_s})

    def on_lock(self, place: Place) -> Place:
        """Return the place with its lock timed."""
        return replace(place, lock=cast(Lock, _TimedLock(place.lock, self)))

    def on_storage(self, storage: BaseStorage) -> None:
        """Time all calls of a storage from now on."""
        for name in BaseStorage.__abstractmethods__ | {"get_all_trials", "get_trial"}:
            setattr(storage, name, self._timed(getattr(storage, name)))

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.timing("storage_s"):
                return call(*arguments, **options)

        return timed


class _TimedLock:
    """A lock that notes how long it was waited for, and how long it was held."""

    def __init__(self, lock: Lock, watch: Stopwatch) -> None:
        self._lock = lock
        self._watch = watch
        self._held: list[Any] = []

    def __enter__(self) -> "_TimedLock":
        with self._watch.timing("waited_s"):
            self._lock.__enter__()
        holding = self._watch.timing("held_s")
        holding.__enter__()
        self._held.append(holding)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.pop().__exit__(None, None, None)
        self._lock.__exit__(kind, error, trace)
