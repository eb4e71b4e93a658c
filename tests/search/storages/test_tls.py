"""What an address says of TLS reaches real servers: certificates are checked, or refused."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy import text
from sqlalchemy.engine import make_url

from benchmarks.postgres import Server, _account, find_programs, serving
from commands.errors import UserError
from search.storages import database_grpc
from search.storages.database_grpc import TLS
from search.storages.storage import open_storage
from tests import mariadb, programs, redis_server
from tests.postgres import NO_POSTGRESQL
from tests.proxies import proxy_of

pytest_plugins = ["tests.postgres"]
pytestmark = pytest.mark.slow  # most have a server of their own


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ours(tmp_path: Path) -> TLS:
    return certificate(tmp_path, "ours")


@pytest.fixture
def strange(tmp_path: Path) -> TLS:
    return certificate(tmp_path, "strange")


def certificate(folder: Path, name: str) -> TLS:
    """Make a certificate of this machine, which has signed itself; skip without OpenSSL."""
    if shutil.which("openssl") is None:
        pytest.skip("TLS: no openssl on the PATH, with which certificates are made")
    tls = TLS(*(folder / f"{name}.{each}.pem" for each in ("cert", "cert", "key")))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    where = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(tls.cert), "-keyout", str(tls.key)]
    command = ["openssl", "req", "-x509", "-days", "2", *curve, *where, *files]
    subprocess.run(command, check=True, capture_output=True)
    return tls


def begins_study(address: str) -> None:
    with closing(open_storage(address)) as place:
        optuna.create_study(storage=place.storage, study_name="s")


def answer(address: str, statement: str) -> object:
    with closing(open_storage(address)) as place:
        assert isinstance(place.storage, RDBStorage)
        with place.storage.engine.connect() as connection:
            row = connection.execute(text(statement)).one()
    return row[-1]


def owned_by_server(tls: TLS, folder: Path) -> TLS:
    """Copy a certificate to where a server may read it that runs as another account."""
    copied = TLS(*(Path(shutil.copy(str(path), folder)) for path in (tls.ca, tls.cert, tls.key)))
    owner = folder.stat()
    for path in (copied.cert, copied.key):
        assert path is not None
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o600)
    return copied


@pytest.fixture
def postgresql(ours: TLS) -> Iterator[tuple[Server, int]]:
    found = find_programs()
    if found is None:
        pytest.skip(NO_POSTGRESQL)
    with serving(found) as server:
        tls, port = owned_by_server(ours, server.folder), programs.free_port()
        with (server.folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\n")
            settings.write(f"ssl_cert_file = '{tls.cert}'\nssl_key_file = '{tls.key}'\n")
        control = [str(found / "pg_ctl"), "--pgdata", str(server.folder / "data"), "--wait"]
        log = ["--log", str(server.folder / "log")]
        subprocess.run(
            [*control, *log, "restart"],
            cwd=server.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **_account(),
        )
        yield server, port


def test_postgresql(postgresql: tuple[Server, int], ours: TLS, strange: TLS) -> None:
    _, port = postgresql
    address = f"postgresql://search@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert="
    asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert answer(f"{address}{ours.cert}", asked) is True
    with pytest.raises(UserError, match="certificate verify failed"):
        open_storage(f"{address}{strange.cert}")


def test_mysql(ours: TLS, strange: TLS, tmp_path: Path) -> None:
    with mariadb.serving() as server:
        tls, port = owned_by_server(ours, server.folder), programs.free_port()
        name = make_url(server.fresh_database()).database
        server.stop()
        files = [f"--ssl-cert={tls.cert}", f"--ssl-key={tls.key}"]
        server.settings += ("--skip-networking=0", "--bind-address=127.0.0.1", *files)
        server.settings += (f"--port={port}",)
        server.start()
        address = f"mysql://root@127.0.0.1:{port}/{name}?ssl_ca="
        assert answer(f"{address}{ours.cert}", "SHOW STATUS LIKE 'Ssl_cipher'")
        with pytest.raises(UserError, match=r"(?i)certificate verify failed"):
            open_storage(f"{address}{strange.cert}")


def test_redis(ours: TLS, strange: TLS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAME_STORAGE_PASSWORD", redis_server.PASSWORD)
    port = programs.free_port()
    files = ["--tls-cert-file", str(ours.cert), "--tls-key-file", str(ours.key)]
    more = ["--tls-ca-cert-file", str(ours.cert), "--tls-auth-clients", "no"]
    with redis_server.serving("--tls-port", str(port), *files, *more):
        begins_study(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ours.cert}")
        with pytest.raises(UserError, match=r"(?i)certificate verify failed"):
            open_storage(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={strange.cert}")


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_grpc, "_ANSWER_S", 1)  # after which none has answered


@pytest.mark.usefixtures("_impatient")
def test_a_proxy_that_shows_its_certificate(database: str, ours: TLS, strange: TLS) -> None:
    with proxy_of(database, TLS(None, ours.cert, ours.key)) as address:
        begins_study(f"{address}?ca={ours.cert}")
        for other in (f"{address}?ca={strange.cert}", address, address.replace("grpcs", "grpc")):
            with pytest.raises(UserError, match="no proxy answers"):
                open_storage(other)


@pytest.mark.usefixtures("_impatient")
def test_a_proxy_that_lets_in_whom_it_knows(database: str, ours: TLS, strange: TLS) -> None:
    friend = certificate(Path.cwd(), "friend")
    with proxy_of(database, TLS(friend.cert, ours.cert, ours.key)) as address:
        known = f"{address}?ca={ours.cert}"
        begins_study(f"{known}&cert={friend.cert}&key={friend.key}")
        with pytest.raises(UserError, match="no proxy answers"):
            open_storage(known)
        with pytest.raises(UserError, match="no proxy answers"):
            open_storage(f"{known}&cert={strange.cert}&key={strange.key}")
