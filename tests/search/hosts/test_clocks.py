"""Hosts whose clocks differ by hours share a study in a database: nothing goes by their clocks."""

import os
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from search.hosts.heartbeat import SILENCE_S, Silence
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import LOST, OWNER, is_counted
from tests.search.searching import searching

pytest_plugins = ["tests.postgres"]
pytestmark = pytest.mark.slow  # a process that imports Optuna

ROOT = Path(__file__).parents[3]
HOST = """
import datetime, os, socket, sys, time

from search.storages.storage import open_storage
from tests.search.fake_trainer import FakeTrainer
from tests.search.searching import searching

true, true_s = datetime.datetime, time.time
shift = datetime.timedelta(hours=float(sys.argv[2]))


class Shifted(true):
    @classmethod
    def now(cls, tz=None):
        return true.now(tz) + shift


time.time = lambda: true_s() + shift.total_seconds()
for name, module in list(sys.modules.items()):
    if name.startswith(("optuna", "search")) and getattr(module, "datetime", None) is true:
        module.datetime = Shifted
socket.gethostname = lambda: "elsewhere"


def lose_power(member, epoch):
    if member.key == 2 and epoch == 2:
        os._exit(9)


searching(open_storage(sys.argv[1]), 6, trainer=FakeTrainer(before_epoch=lose_power))
"""


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("hours", [-7, 7])
def test_a_host_is_missed_after_a_silence_whatever_its_clock_says(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.chdir(tmp_path)
    died = subprocess.run(
        [sys.executable, "-c", HOST, database, str(hours)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert died.returncode == 9
    clock = Clock()

    class Passing(Silence):
        def is_undecided(self, trial: FrozenTrial) -> bool:
            clock.now_s += SILENCE_S / 2  # as if somebody waited
            return super().is_undecided(trial)

    with closing(open_storage(database)) as place:
        assert searching(place, 6, silence=Passing(clock=clock)).ended == "total"
        trials = load_study(place, "small").trials
    assert clock.now_s >= SILENCE_S  # not sooner, though by its own clock it was hours ago
    assert LOST in trials[2].user_attrs
    counted = [trial for trial in trials if is_counted(trial)]
    assert sorted(trial.user_attrs["place"] for trial in counted) == list(range(6))
    assert {trial.state for trial in counted} <= {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in counted:  # both by the clock of one host
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        assert trial.datetime_start <= trial.datetime_complete
    began = [trial.datetime_start for trial in trials[:2]]
    assert all(abs(date - datetime.now()) > timedelta(hours=6) for date in began if date)
    hosts = {trial.user_attrs[OWNER]["host"] for trial in trials}
    assert "elsewhere" in hosts
    assert len(hosts) == 2
