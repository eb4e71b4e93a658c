"""Waiting for a storage that has gone away: how long, how often it is asked, and what is said.

A database server restarts, its disk is full, a network is down: what was asked is asked again
with growing pauses. Errors of what was asked are no outages, and are raised at once.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from commands.errors import UserError
from commands.telling import to_stderr

T = TypeVar("T")
DEFAULT_PATIENCE_S = 600.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_OUTAGES = (OperationalError, InterfaceError, InternalError, PoolTimeoutError, ConnectionError)
"""InternalError: what a server in recovery or a read-only standby answers."""
_ASKED_WRONGLY = frozenset(
    (
        *("INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"),
        *("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "OUT_OF_RANGE"),
    )
)
"""What a proxy answers to requests that no waiting would mend."""


class StorageLostError(UserError):
    """A storage stayed away for longer than there was patience."""

    status = 1  # nobody's mistake: the command could not finish


class Once:
    """Tells when a storage goes away and when it is back, once for all who find it out."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._is_away = False

    def __call__(self, is_away: bool, line: str) -> None:
        """Say a line, unless somebody has said so already."""
        if is_away != self._is_away:
            self._is_away = is_away
            self._say(line)


class Patience:
    """Asks again what a storage could not do, and knows when it was away."""

    def __init__(
        self,
        limit_s: float = DEFAULT_PATIENCE_S,
        *,
        from_start: bool = False,
        say: Callable[[str], None] = to_stderr,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin.

        Args:
            limit_s: how long one request waits.
            from_start: whether the storage is waited for even before it has ever answered.
            say: tells the user something in one line.
        """
        self.limit_s = limit_s
        self.from_start = from_start
        self.say = say
        self.tell: Callable[[bool, str], None] = Once(say)
        """Is told that the storage is away, or back, and this in a line for the user.

        That it is away again and again, as long as it is waited for.
        """
        self.name = "the storage"
        """What the user calls it."""
        self.hidden: Callable[[str], str] = str
        """Returns a text without the storage's password."""
        self.spool = ""
        """Where results are kept meanwhile; empty: nowhere."""
        self.returned_s = -1.0
        """When it last came back, by the clock; before that it could not be observed."""
        self._clock = clock
        self._sleep = sleep
        self._away_s: float | None = None
        self._away = ""
        """What was told when it went away."""
        self._pause_s = _FIRST_PAUSE_S
        self._next_s = 0.0
        self._has_given_up = False

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask again, for those who do not wait."""
        return self._clock() >= self._next_s

    def wait_for(self, act: Callable[[], T]) -> T:
        """Return what an act returns, doing it again while the storage is away.

        Raises `StorageLostError` when it has been waited for long enough; and at once after that,
        or after somebody has interrupted a wait, until it answers again.
        """
        began_s: float | None = None
        while True:
            try:
                result = act()
            except Exception as error:
                if not is_outage(error):
                    raise
                self.failed(error)
                began_s = self._clock() if began_s is None else began_s
                left_s = began_s + self.limit_s - self._clock()
                if left_s <= 0 or self._has_given_up:
                    self._has_given_up = True  # whatever is asked while the search ends
                    raise self._lost(error) from None  # the driver's words may hold the password
                self._wait(left_s)
            else:
                self.answered()
                return result

    def failed(self, error: Exception) -> None:
        """Note that the storage could not do something; say so, once for each outage."""
        now = self._clock()
        if self._away_s is None:
            self._away_s = now
            kept = f"; results are kept in {self.spool}" if self.spool else ""
            self._away = (
                f"{self.name} cannot be reached ({self._reason(error)}): waiting for it, up to "
                f"{self.limit_s:g} s (--storage-patience){kept}; Ctrl-C twice gives up"
            )
            self.tell(True, self._away)
        if now >= self._next_s:
            self._next_s = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def answered(self) -> None:
        """Note that the storage has done something; say so where it had been away."""
        if self._away_s is None:
            return
        now = self._clock()
        self.tell(False, f"{self.name} is back after {now - self._away_s:.0f} s")
        self._away_s, self.returned_s, self._has_given_up = None, now, False
        self._pause_s, self._next_s = _FIRST_PAUSE_S, 0.0

    def _wait(self, most_s: float) -> None:
        try:
            # Again before each pause, as a sign of life: who waits computes nothing.
            self.tell(True, self._away)
            self._sleep(min(max(self._next_s - self._clock(), 0.01), most_s))
        except BaseException:
            self._has_given_up = True
            raise

    def _lost(self, error: Exception) -> StorageLostError:
        kept = f"; results are kept in {self.spool}, for the next search" if self.spool else ""
        return StorageLostError(
            f"{self.name} cannot be reached ({self._reason(error)}){kept}; "
            "the same command goes on once it is back"
        )

    def _reason(self, error: Exception) -> str:
        return self.hidden(reason(error))


def reason(error: BaseException) -> str:
    """Return what a driver says, in one line, without what is put around it."""
    details = getattr(error, "details", None)  # of a proxy's answer
    if callable(details) and (text := details()):
        return str(text).splitlines()[0]
    innermost: BaseException = error
    while (cause := innermost.__cause__ or getattr(innermost, "orig", None)) is not None:
        innermost = cause
    return next(iter(str(innermost).splitlines()), "") or type(innermost).__name__


def is_outage(error: BaseException) -> bool:
    """Tell whether an error is the storage's state, not that of what was asked."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, _OUTAGES) or (
        isinstance(cause, DBAPIError) and cause.connection_invalidated
    ):
        return True
    return _is_of(cause, "redis.exceptions", "RedisError") or (
        _is_of(cause, "grpc", "RpcError") and _code(cause) not in _ASKED_WRONGLY
    )


def _is_of(error: object, module: str, name: str) -> bool:
    """Tell whether an error is of a class whose module need not be installed."""
    there = sys.modules.get(module)
    return there is not None and isinstance(error, getattr(there, name))


def _code(error: Any) -> str:
    code = getattr(error, "code", None)
    return str(code().name) if callable(code) and code() is not None else ""
