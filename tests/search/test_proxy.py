import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from commands.errors import UserError
from search.proxy import main, remarks
from search.storages import database_grpc
from search.storages.database_grpc import TLS, ProxyLock
from search.storages.storage import open_storage
from search.studies.loading import load_study
from tests.proxies import proxy_of

pytest_plugins = ["tests.postgres"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def proxy(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    with proxy_of(database) as address:
        yield address


def test_what_goes_through_a_proxy_is_in_the_database(proxy: str, database: str) -> None:
    with closing(open_storage(proxy)) as place:
        optuna.create_study(storage=place.storage, study_name="s").enqueue_trial({"x": 1})
    with closing(open_storage(database)) as place:
        assert len(load_study(place, "s").trials) == 1


def test_its_lock_is_the_databases(proxy: str, database: str) -> None:
    order = []
    with closing(open_storage(proxy)) as far, closing(open_storage(database)) as near:
        assert isinstance(far.lock, ProxyLock)

        def wait() -> None:
            with near.lock:
                order.append("near")

        with ThreadPoolExecutor() as pool:
            with far.lock, far.lock:
                waiting = pool.submit(wait)
                assert not waiting.done()
                order.append("far")
            waiting.result(timeout=60)
        assert not far.lock.was_lost
    assert order == ["far", "near"]


def test_many_may_wait_for_the_lock_while_its_holder_works(proxy: str) -> None:
    with closing(open_storage(proxy)) as holder, ThreadPoolExecutor(20) as pool:

        def wait() -> None:
            with closing(open_storage(proxy)) as place, place.lock:
                pass

        with holder.lock:
            waiting = [pool.submit(wait) for _ in range(20)]
            optuna.create_study(storage=holder.storage, study_name="s")
        for one in waiting:
            one.result(timeout=60)


def test_a_client_that_is_gone_leaves_the_lock_free(proxy: str) -> None:
    gone, other = open_storage(proxy), open_storage(proxy)
    gone.lock.__enter__()
    gone.close()
    with other.lock:
        pass
    other.close()


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_trial_of_a_client_whose_clock_differs_has_one_clock(proxy: str, hours: int) -> None:
    began = datetime.now()
    with closing(open_storage(proxy)) as place:
        study = optuna.create_study(storage=place.storage, study_name="s")
        drawn = create_trial(state=TrialState.RUNNING)
        drawn.datetime_start = began + timedelta(hours=hours)
        trial_id = place.storage.create_new_trial(study._study_id, drawn)
        place.storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
        trial = place.storage.get_trial(trial_id)
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    assert began <= trial.datetime_start <= trial.datetime_complete <= datetime.now()


def test_the_command_listens_on_this_machine_alone(database: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "search.proxy", "--storage", database, "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r"--storage (grpc://127\.0\.0\.1:\d+)$", first)
            assert found, first
            with closing(open_storage(found[1])) as place:
                assert optuna.get_all_study_names(place.storage) == []
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0
        finally:
            process.kill()


@pytest.mark.parametrize("given", ["studies/journal.log", "sqlite:///x.db", "redis://h:1"])
def test_what_does_not_bear_a_proxy_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="a proxy serves PostgreSQL or MySQL"):
        main(["--storage", given])


def test_others_are_let_in_with_a_warning() -> None:
    assert remarks("127.0.0.1", None) == remarks("::1", None) == remarks("localhost", None) == []
    assert "no login and speaks in the clear" in remarks("0.0.0.0", None)[0]
    assert "has no login" in remarks("0.0.0.0", TLS(cert=Path("c"), key=Path("k")))[0]
    assert remarks("0.0.0.0", TLS(Path("ca"), Path("c"), Path("k"))) == []


def test_half_of_what_tls_needs_is_refused() -> None:
    with pytest.raises(UserError, match="both are needed"):
        main(["--storage", "postgresql://h/x", "--tls-cert", "c.pem"])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("grpc://h:1/x", "is no address of a proxy"),
        ("grpc://h:1?verify=no", "unknown verify"),
        ("grpc://h:1?ca=x.pem", "certificates are for grpcs://"),
        ("grpcs://127.0.0.1:1?ca=none.pem", "none.pem: No such file"),
        ("grpc://127.0.0.1:1", "cannot be opened: no proxy answers within 1 s$"),
        ("grpcs://127.0.0.1:1", "no proxy answers within 1 s, or one of the two certificates"),
    ],
)
def test_a_wrong_address_is_one_message(
    given: str, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(database_grpc, "_ANSWER_S", 1)
    with pytest.raises(UserError, match=match):
        open_storage(given)
