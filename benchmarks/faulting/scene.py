"""A round under way: its files, its processes, and what has been seen so far."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.faulting.disk import Disk
from benchmarks.faulting.endings import losses_of_end
from benchmarks.faulting.looks import FINISHED, Looks
from benchmarks.faulting.loss import Loss
from benchmarks.faulting.processes import Run, kill_marked, marked, wait_for_none
from benchmarks.faulting.setting import (
    HANG_LIMIT_S,
    MARK,
    N_TRIALS,
    Files,
    Setting,
    environment,
    search_command,
)
from search.trials.reading import is_counted
from search.workers.worker import DEFAULT_HANG_LIMIT_S

LONGEST_S = 600.0
"""After which a search of seconds that has not ended is taken for hanging; machines are busy."""
MOST_STARTS = 4
"""Of the command, once no more is done to it."""
_BETWEEN_LOOKS_S = 0.01
_LINES_A_TRIAL = 25
"""Records that a trial writes, about."""


class CampaignOverError(Exception):
    """Whoever runs the campaign has stopped it."""


class Scene:
    """What faults are injected into."""

    def __init__(
        self,
        files: Files,
        setting: Setting,
        work: Path,
        disk: Disk,
        rng: random.Random,
        *,
        has_clock: bool = False,
        is_hanging: bool = False,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with nothing running.

        Args:
            is_over: tells whether the campaign has been stopped.
            has_clock: whether the processes' clock can be set.
            is_hanging: whether a worker is soon taken for hanging.
        """
        self.files, self.setting, self.disk, self.rng = files, setting, disk, rng
        self.looks = Looks(files.journal)
        self.runs: list[Run] = []
        """Those whose ends have not been looked at."""
        self.losses: list[Loss] = []
        self.allowed: set[int] = set()
        """Statuses that what was done explains."""
        self.mark = f"{MARK}={files.folder}"
        limit_s = HANG_LIMIT_S if is_hanging else DEFAULT_HANG_LIMIT_S
        self._command = search_command(setting, work, files, limit_s)
        self._environment = environment(files, has_clock=has_clock)
        self._is_over = is_over
        self._n_outputs = 0
        self._last_status = 0

    def start(self) -> Run:
        """Start the command."""
        self._n_outputs += 1
        output = self.files.folder / f"output-{self._n_outputs}.txt"
        self.runs.append(Run(self._command, self._environment, output))
        return self.runs[-1]

    @property
    def running(self) -> list[Run]:
        """The commands that have not ended."""
        return [run for run in self.runs if run.is_running]

    def processes(self, *, are_workers: bool | None = None) -> list[int]:
        """Return the numbers of the processes; those of workers alone, or of all others."""
        found = marked(self.mark)
        return sorted(pid for pid, is_worker in found.items() if are_workers in (None, is_worker))

    def trainers(self) -> list[int]:
        """Return the numbers of the processes that train."""
        return self.processes(are_workers=True if self.setting.n_workers > 1 else None)

    def reach(self, n_claims: int, share: float) -> bool:
        """Wait for a moment in the part of the study that is left.

        Args:
            n_claims: trials that had been begun before the search was started.
            share: of the records that are still to come, how many come first.

        Returns:
            whether the search was still running then.
        """
        while self.looks.n_claims() <= n_claims:
            if not self._is_going_on():
                return False
        n_finished = sum(trial.state in FINISHED for trial in self.looks.look())
        n_left = max(1, N_TRIALS - n_finished)
        until = self.looks.n_lines() + int(share * n_left * _LINES_A_TRIAL)
        while self.looks.n_lines() < until:
            if not self._is_going_on():
                return False
        time.sleep(self.rng.uniform(0.0, 0.25))  # to be anywhere in an epoch
        self.looks.look()
        return bool(self.running)

    def _is_going_on(self) -> bool:
        self._pause(_BETWEEN_LOOKS_S)
        return bool(self.running)

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)
        if self._is_over():
            raise CampaignOverError

    def wait(self, runs: Sequence[Run], limit_s: float = LONGEST_S) -> None:
        """Wait for the ends of commands, looking all the while; who hangs is killed."""
        until_s = time.monotonic() + limit_s
        while any(run.is_running for run in runs):
            self.looks.look()
            self._pause(20 * _BETWEEN_LOOKS_S)
            if time.monotonic() > until_s:
                self.losses.append(Loss("ending", f"none within {limit_s:.0f} s"))
                self.allowed.add(-9)
                self.kill()
        self.looks.look()

    def kill(self) -> None:
        """Kill all processes and wait for their ends."""
        kill_marked(self.mark)
        for run in self.runs:
            run.wait(LONGEST_S)

    def judge_ends(self, *also_allowed: int) -> None:
        """Look at the ends of the commands that have ended."""
        allowed = {*self.allowed, *also_allowed}
        for run in [run for run in self.runs if not run.is_running]:
            self.runs.remove(run)
            self._last_status = run.status or 0
            self.losses += losses_of_end(self._last_status, run.text(), allowed)

    def finish(self) -> None:
        """Start the command until the study has its total and nothing is left running."""
        for _ in range(MOST_STARTS + 1):
            self.wait(self.runs)
            self.judge_ends()
            if not wait_for_none(self.mark, LONGEST_S):
                self.losses.append(Loss("ending", "workers outlive who started them"))
                self.kill()
            if self._last_status == 0 and self._has_total():
                return
            self.start()
        self.wait(self.runs)
        self.judge_ends()
        self.losses.append(Loss("ending", f"no total after {MOST_STARTS} starts"))

    def _has_total(self) -> bool:
        counted = [trial.state for trial in self.looks.look() if is_counted(trial)]
        return len(counted) >= N_TRIALS and all(state.is_finished() for state in counted)

    def tool(self, module: str, *arguments: str) -> tuple[int, str]:
        """Run another command of the project on the study; return its exit status and output."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self._environment,
            cwd=self.files.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
        return done.returncode, done.stdout
