"""Proxies for tests: in front of a database, in this process, on a port of their own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from optuna.storages import RDBStorage, get_storage

from search.storages.database_grpc import TLS, make_proxy_server, server_credentials
from search.storages.storage import open_storage


@contextmanager
def proxy_of(database: str, tls: TLS | None = None) -> Iterator[str]:
    """Run a proxy until the block ends, and return its address."""
    with closing(open_storage(database)) as place:
        assert isinstance(place.storage, RDBStorage)
        server = make_proxy_server(get_storage(place.storage), place.storage.engine.url)
        if tls is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", server_credentials(tls))
        server.start()
        try:
            yield f"{'grpcs' if tls else 'grpc'}://127.0.0.1:{port}"
        finally:
            server.stop(0).wait()
