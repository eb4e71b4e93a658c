"""A search on a server that is stopped and started under it, or whose disk is full."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from benchmarks.postgres import Server, _account, find_programs, serving
from search.displays.display import QuietDisplay
from search.hosts import owner
from search.storages.database_lock import DatabaseLock
from search.storages.patience import Patience, StorageLostError
from search.storages.patient_storage import PatientStorage
from search.storages.storage import Place, open_storage
from search.studies.loading import load_study
from search.trainer import Record
from search.trials.reading import OWNER, is_counted
from tests import mariadb, redis_server
from tests.postgres import NO_POSTGRESQL
from tests.proxies import proxy_of
from tests.search.searching import searching
from tests.search.small_studies import searched, trials_in

pytestmark = pytest.mark.slow  # each test has a server of its own, which it stops and starts
N_TRIALS = 6


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    programs = find_programs()
    if programs is None:
        pytest.skip(NO_POSTGRESQL)
    monkeypatch.chdir(tmp_path)
    with serving(programs) as server:
        yield server
        control(server, "start", check=False)  # so that it can be stopped


def control(server: Server, verb: str, *, check: bool = True) -> None:
    given = ["--pgdata", str(server.folder / "data"), "--log", str(server.folder / "log")]
    subprocess.run(
        [str(server.programs / "pg_ctl"), *given, "--mode=fast", "--wait", verb],
        cwd=server.folder,
        check=check,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **_account(),
    )


@dataclass
class Served:
    """A storage on a server that may be stopped, and started where it does not run."""

    address: str
    _stop: Callable[[], None]
    _start: Callable[[], None]
    is_up: bool = True

    def stop(self) -> None:
        self._stop()
        self.is_up = False

    def start(self) -> None:
        if not self.is_up:
            self._start()
            self.is_up = True


KINDS = ("postgresql", "postgresql behind a proxy", "mysql", "redis")


@pytest.fixture(params=KINDS)
def served(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with ExitStack() as until_then:
        other: mariadb.Server | redis_server.Server
        if request.param == "mysql":
            other = until_then.enter_context(mariadb.serving())
        elif request.param == "redis":
            other = until_then.enter_context(redis_server.serving())
            monkeypatch.setenv("MAME_STORAGE_PASSWORD", redis_server.PASSWORD)
        else:
            own: Server = request.getfixturevalue("server")
            address = own.fresh_database()
            if request.param != "postgresql":
                address = until_then.enter_context(proxy_of(address))
            yield Served(address, lambda: control(own, "stop"), lambda: control(own, "start"))
            return
        served = Served(other.fresh_database(), other.stop, other.start)
        yield served
        served.start()  # so that it can be stopped


class Outage(QuietDisplay):
    """Stops the server after so many epochs."""

    def __init__(self, stop: Callable[[], None], after: int) -> None:
        self._stop = stop
        self._left = after

    def trained(self, record: Record) -> None:
        self._left -= 1
        if self._left == 0:
            self._stop()


def patience(server: Server, said: list[str], *, returns: bool = True) -> Patience:
    """Wait by starting the server again."""

    def sleep(seconds: float) -> None:
        if returns:
            control(server, "start", check=False)

    return Patience(600 if returns else 0, say=said.append, sleep=sleep)


@contextmanager
def opened(address: str, waiting: Patience | None = None) -> Iterator[Place]:
    with closing(open_storage(address, patience=waiting)) as place:
        yield place


def results(trials: list[FrozenTrial]) -> list[object]:
    return [(t.state, t.value, t.params, t.intermediate_values) for t in trials if is_counted(t)]


# PyMySQL leaves the sockets of a server that has gone to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("after", [1, 8, 11])
def test_a_server_that_restarts_in_mid_study_costs_nothing(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    waiting = Patience(600, say=said.append, sleep=lambda seconds: served.start())
    with opened(served.address, waiting) as place:
        outcome = searching(place, N_TRIALS, display=Outage(served.stop, after))
        trials = load_study(place, "small").trials
    searched(tmp_path / "calm", N_TRIALS, pruner="rungs")
    assert outcome.ended == "total"
    assert sum("cannot be reached" in line for line in said) == 1
    assert sum("is back after" in line for line in said) == 1
    assert results(trials) == results(trials_in(tmp_path / "calm"))
    assert list(tmp_path.glob("studies/unsent-*")) == []


@contextmanager
def small_disk(server: Server) -> Iterator[Path]:
    """Mount a disk of a few MB for a server; skip where that is not allowed."""
    folder = server.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a full disk: none can be mounted here ({mounted.stderr.strip()})")
    try:
        if account := _account():
            os.chown(folder, account["user"], account["group"])
        yield folder
    finally:  # the server still has files there
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def database_on(disk: Path, server: Server) -> str:
    import psycopg

    name, where = "on_a_small_disk", f"host={server.folder} user=search dbname=postgres"
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        connection.execute(f"CREATE DATABASE {name} TABLESPACE small")
    return f"postgresql://search@/{name}?host={server.folder}"


def test_a_full_disk_of_the_server_is_waited_for_and_costs_nothing(
    server: Server, tmp_path: Path
) -> None:
    said: list[str] = []
    n_trials = 30  # tables have room for a few before they grow
    with small_disk(server) as disk:
        address = database_on(disk, server)

        def fill() -> None:
            with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass

        waiting = Patience(
            say=said.append, sleep=lambda seconds: (disk / "ballast").unlink(missing_ok=True)
        )
        with opened(address, waiting) as place:
            outcome = searching(place, n_trials, display=Outage(fill, 20))
            trials = load_study(place, "small").trials
    searched(tmp_path / "calm", n_trials, pruner="rungs")
    assert outcome.ended == "total"
    [away] = [line for line in said if "cannot be reached" in line]
    assert "No space left on device" in away
    assert results(trials) == results(trials_in(tmp_path / "calm"))
    assert list(tmp_path.glob("studies/unsent-*")) == []


def test_what_a_search_that_lost_patience_has_kept_is_delivered_by_the_next(
    server: Server, tmp_path: Path
) -> None:
    address, said = server.fresh_database(), list[str]()
    display = Outage(lambda: control(server, "stop"), 3)
    with (
        opened(address, patience(server, said, returns=False)) as place,
        pytest.raises(StorageLostError, match="results are kept in"),
    ):
        searching(place, N_TRIALS, display=display, pruner="none")
    control(server, "start")
    [spool] = tmp_path.glob("studies/unsent-*")
    assert "set_trial_intermediate_value" in spool.read_text()
    # The same process is still there: pretend, in the file and in the database, that it is not.
    started = str(owner.this_process()["started"])
    spool.write_text(spool.read_text().replace(started, "long ago"))
    with opened(address) as place:
        study = load_study(place, "small")
        last = study.trials[-1]
        gone = last.user_attrs[OWNER] | {"started": "long ago"}
        place.storage.set_trial_user_attr(last._trial_id, OWNER, gone)
        assert 3 not in last.intermediate_values
    with opened(address, patience(server, said)) as place:
        assert 3 in load_study(place, "small").trials[last.number].intermediate_values
        assert searching(place, N_TRIALS, pruner="none").ended == "total"
        trials = load_study(place, "small").trials
    assert sum(map(is_counted, trials)) == N_TRIALS
    assert not spool.exists()


def test_the_lock_is_waited_for_and_tells_when_it_was_lost(server: Server) -> None:
    address, said = server.fresh_database(), list[str]()
    with opened(address, patience(server, said)) as place:
        assert isinstance(place.lock, DatabaseLock)
        with place.lock:
            control(server, "stop")
        assert place.lock.was_lost
        with place.lock:
            assert isinstance(place.storage, PatientStorage)
            assert place.storage.get_all_studies() == []
        assert not place.lock.was_lost


def test_a_claim_under_a_lock_that_was_lost_is_made_anew(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, said = server.fresh_database(), list[str]()
    with opened(address, patience(server, said)) as place:
        n_begun, begin = 0, place.storage.create_new_trial

        def beginning(study_id: int, template_trial: FrozenTrial | None = None) -> int:
            nonlocal n_begun
            n_begun += 1
            if n_begun == 1:
                control(server, "stop")
            return begin(study_id, template_trial)

        monkeypatch.setattr(place.storage, "create_new_trial", beginning)
        outcome = searching(place, 2, pruner="none")
        trials = load_study(place, "small").trials
    assert outcome.ended == "total"
    assert n_begun == 3
    counted = [trial for trial in trials if is_counted(trial)]
    assert [trial.state for trial in counted] == [TrialState.COMPLETE] * 2
    assert sorted(trial.user_attrs["place"] for trial in counted) == [0, 1]
