"""What a search came to."""

from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial

from commands.counting import counted
from search.engine.stopping import Reason
from search.trials.reading import Tally

Ended = Literal["total", "grid", "failures"] | Reason
"""Why a search ended: all trials there, no point left, one failure repeated, or it was stopped."""
_STATUS: dict[Ended, int] = {"failures": 1, "Ctrl-C": 130, "SIGTERM": 128 + 15}
"""Of the command, where it is not 0; those of signals as shells report them."""


@dataclass(frozen=True)
class Outcome:
    """How the study stands after a search, and why the search ended."""

    standing: Tally
    ended: Ended
    message: str
    """Why it ended, in one line for the user."""

    @property
    def best(self) -> FrozenTrial | None:
        """The best complete trial; None if there is none."""
        return self.standing.best

    @property
    def exit_status(self) -> int:
        """With what the command ends: 0 where the search did what was asked."""
        return _STATUS.get(self.ended, 0)


def total_reached(name: str, standing: Tally, *, has_claimed: bool) -> str:
    """Say in one line that a study has its trials, and whether this search added any."""
    elsewhere = f", {standing.n_running} of them still running" if standing.n_running else ""
    already = "" if has_claimed else " already; a larger --trials adds to them"
    trials = counted(standing.n_ended + standing.n_running, "trial")
    return f"study {name}: has {trials}{elsewhere}{already}"


def stopped(name: str, reason: Reason, n_unfinished: int) -> str:
    """Say in one line what stopped a study, and what the same command will go on with."""
    why = "time is over" if reason == "timeout" else f"stopped by {reason}"
    trials = f", {counted(n_unfinished, 'trial')} unfinished" if n_unfinished else ""
    return f"study {name}: {why}{trials}; the same command goes on with it"
