"""Optuna's gRPC proxy, seen from both ends: what it speaks, and the lock that it adds.

Optuna's own speaks in the clear. Here the address may begin with `grpcs://`: then `?ca=FILE`
checks the server, and `&cert=FILE&key=FILE` show the client's own certificate, its login.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL

from commands.errors import UserError
from search.storages.database_lock import DatabaseLock

if TYPE_CHECKING:
    import grpc

# Its handlers run in a forked process before that becomes another program, and crash it now and
# then, where other threads are in a call. Nobody here forks to go on with gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

GRPC = ("grpc", "grpcs")
PORT = 13000
_ANSWER_S = 10
_FILES = ("ca", "cert", "key")
_CLAIMS = "search.Claims"
_MOST_CALLS = 1024
"""At the same time. Whoever waits for the lock is one, so a few would keep its holder waiting."""
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    # A host that lost its power says no goodbye: its lock is free after 30 + 10 seconds.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
)


@dataclass(frozen=True)
class TLS:
    """The PEM files of one end; None: not given."""

    ca: Path | None = None
    """What the other end's certificate is signed by."""
    cert: Path | None = None
    key: Path | None = None

    def read(self) -> list[bytes | None]:
        """Return the contents; `UserError` where a file cannot be read."""
        return [_content(path) if path else None for path in (self.ca, self.key, self.cert)]


def check_installed(option: str) -> None:
    """Raise `UserError` where what gRPC needs is not installed."""
    if not (find_spec("grpc") and find_spec("google.protobuf")):
        raise UserError(
            f"{option}: gRPC is not installed; pip install 'mame-cnn-search[storages]'"
        )


def open_proxy(url: URL) -> "Proxy":
    """Reach a proxy; `ConnectionError` where none answers."""
    check_installed(f"--storage {url}")
    unknown = {*url.query} - {*_FILES}
    if url.database or url.username or not url.host or unknown:
        what = f"unknown {', '.join(sorted(unknown))}" if url.host and unknown else "is no address"
        raise UserError(
            f"--storage {url}: {what} of a proxy; one looks like grpc://host:{PORT} or "
            f"grpcs://host:{PORT}?ca=FILE"
        )
    files = {name: Path(str(value)) for name, value in url.query.items()}
    tls = TLS(**files) if url.drivername == "grpcs" else None
    if files and tls is None:
        raise UserError(f"--storage {url}: certificates are for grpcs://, this is grpc://")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = Proxy(url.host, url.port or PORT, tls)
    proxy.check()
    return proxy


class Proxy(GrpcStorageProxy):
    """Optuna's client, over TLS where that is asked for, and with the lock of claims."""

    def __init__(self, host: str, port: int, tls: TLS | None) -> None:
        """Name the server."""
        self._tls = tls
        super().__init__(host=host, port=port)

    def _setup(self) -> None:
        import grpc
        from optuna.storages._grpc.auto_generated import api_pb2_grpc
        from optuna.storages._grpc.client import GrpcClientCache

        where = f"[{self._host}]" if ":" in self._host else self._host
        where = f"{where}:{self._port}"
        if self._tls is None:
            self._channel = grpc.insecure_channel(where, options=_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(*self._tls.read())
            self._channel = grpc.secure_channel(where, credentials, options=_OPTIONS)
        self._stub = api_pb2_grpc.StorageServiceStub(self._channel)
        self._cache = GrpcClientCache(self._stub)

    def check(self) -> None:
        """Raise `ConnectionError` where no proxy answers."""
        import grpc

        try:
            grpc.channel_ready_future(self._channel).result(timeout=_ANSWER_S)
        except grpc.FutureTimeoutError:
            self.close()
            refused = ", or one of the two certificates is refused" if self._tls else ""
            raise ConnectionError(f"no proxy answers within {_ANSWER_S} s{refused}") from None

    def hold(self) -> Any:
        """Ask for the lock: a call that has an answer once it is held, until it is cancelled."""
        return self._channel.unary_stream(f"/{_CLAIMS}/Hold")(b"")


class ProxyLock(DatabaseLock):
    """The lock of the database behind a proxy: whoever reaches it without the proxy shares it."""

    def __init__(self, proxy: Proxy) -> None:
        """Name the proxy; nothing is asked before the lock is taken."""
        self._proxy = proxy
        self._begin()

    def _take(self) -> Any:
        call = self._proxy.hold()
        try:
            next(call)
        except BaseException:
            call.cancel()
            raise
        return call

    def _let_go(self, held: Any) -> bool:
        is_held: bool = held.is_active()
        held.cancel()
        return is_held


def make_proxy_server(storage: BaseStorage, url: URL) -> "grpc.Server":
    """Return a server that answers for a storage, and lends the lock of its database."""
    import grpc
    from optuna.storages._grpc.auto_generated import api_pb2_grpc
    from optuna.storages._grpc.servicer import OptunaStorageProxyService

    server = grpc.server(ThreadPoolExecutor(max_workers=_MOST_CALLS), options=_OPTIONS)
    service = OptunaStorageProxyService(cast(BaseStorage, _Dated(storage)))
    api_pb2_grpc.add_StorageServiceServicer_to_server(service, server)
    handlers = {"Hold": grpc.unary_stream_rpc_method_handler(_Claims(url).hold)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_CLAIMS, handlers),))
    return server


def server_credentials(tls: TLS) -> "grpc.ServerCredentials":
    """Return with what a server shows itself, and which clients it lets in: all without a CA."""
    import grpc

    ca, key, cert = tls.read()
    pair = [(key, cert)]
    return grpc.ssl_server_credentials(pair, ca, require_client_auth=ca is not None)


class _Dated:
    """A storage that says by the proxy's clock when a trial began, as it does when it ended.

    Clients on hosts whose clocks differ say it by their own, and trials would take hours less
    than nothing.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial, or take in one that has ended, as it is."""
        if template_trial is not None and template_trial.state == TrialState.RUNNING:
            template_trial.datetime_start = datetime.now()
        return self._storage.create_new_trial(study_id, template_trial)


class _Claims:
    """Lends the lock to one client at a time, for as long as its call lasts."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._turn = threading.Lock()
        """Of those who ask here, so that they need one connection to the database together."""

    def hold(self, request: bytes, context: "grpc.ServicerContext") -> Iterator[bytes]:
        """Answer once the lock is held, and hold it until the client is gone."""
        gone = threading.Event()
        if not context.add_callback(gone.set):
            return
        with ExitStack() as held:
            while not self._turn.acquire(timeout=1):
                if gone.is_set():
                    return
            held.callback(self._turn.release)
            held.enter_context(DatabaseLock(self._url))
            yield b"held"
            gone.wait()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
