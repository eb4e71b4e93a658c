"""What a search came to."""

from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial

from search.trials import Tally

Ended = Literal["total", "grid", "timeout", "failures"]
"""Why a search ended: all trials there, no point left, time over, or one failure repeated."""


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
    def is_finished(self) -> bool:
        """Whether the search did what was asked, as far as it could be done."""
        return self.ended != "failures"


def total_reached(name: str, standing: Tally, *, has_claimed: bool) -> str:
    """Say in one line that a study has its trials, and whether this search added any."""
    elsewhere = f", {standing.n_running} of them still running" if standing.n_running else ""
    already = "" if has_claimed else " already; a larger --trials adds to them"
    return f"study {name}: has {standing.n_ended + standing.n_running} trials{elsewhere}{already}"
