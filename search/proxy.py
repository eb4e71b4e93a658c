"""`python -m search.proxy --storage URL`: a gRPC proxy; many workers share a few connections.

Workers name it as `--storage grpc://HOST:PORT`. It holds the connections to the database, and
lends its lock to those who claim trials.
"""

import argparse
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from optuna.storages import RDBStorage, get_storage

from commands.arguments import whole
from commands.errors import UserError, exit_status
from commands.telling import to_stderr
from search.storages.database import read_address
from search.storages.database_grpc import (
    PORT,
    TLS,
    check_installed,
    make_proxy_server,
    server_credentials,
)
from search.storages.storage import open_storage

_GRACE_S = 5
EXAMPLES = """\
examples:
  python -m search.proxy --storage postgresql://me@db/studies
  python -m search.run spaces/capacity.py --storage grpc://127.0.0.1:13000
  python -m search.proxy --storage postgresql://me@db/studies --host 10.0.0.5 \\
      --tls-cert server.pem --tls-key server.key --tls-client-ca clients.pem
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; return the exit status."""
    options = _parser().parse_args(argv)
    check_installed("search.proxy")
    tls = _tls(options)
    _check_behind(options.storage)
    place = open_storage(options.storage)
    assert isinstance(place.storage, RDBStorage)
    server = make_proxy_server(get_storage(place.storage), place.storage.engine.url)
    where = f"[{options.host}]" if ":" in options.host else options.host
    port = _listen(server, f"{where}:{options.port}", tls)
    scheme = "grpcs" if tls else "grpc"
    server.start()
    print(f"studies of {place.given}: --storage {scheme}://{where}:{port}", flush=True)
    for line in remarks(options.host, tls):
        to_stderr(line)
    print("Ctrl-C ends it", flush=True)
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        print()
    finally:
        server.stop(_GRACE_S).wait()
        place.close()
    return 0


def remarks(host: str, tls: TLS | None) -> list[str]:
    """Return what a person should know who lets others reach a proxy."""
    if _is_loopback(host):
        return []
    if tls is None:
        return [
            f"warning: --host {host}: the proxy has no login and speaks in the clear; whoever "
            "reaches this machine reads and writes all studies. --tls-cert, --tls-key and "
            "--tls-client-ca let in only who has a certificate"
        ]
    if tls.ca is None:
        return [
            f"warning: --host {host}: the proxy has no login; whoever reaches this machine reads "
            "and writes all studies. --tls-client-ca lets in only who has a certificate"
        ]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_behind(given: str) -> None:
    """Raise `UserError` for a storage that does not bear a proxy in front of it."""
    kind = read_address(given).get_backend_name() if "://" in given else "a journal file"
    if kind in ("postgresql", "mysql", "mariadb"):
        return
    raise UserError(
        f"--storage {given if '://' not in given else kind + '://...'}: a proxy serves PostgreSQL "
        "or MySQL. A journal takes who asks by thread, which a proxy's threads mix up "
        "(optuna/optuna#6084); SQLite takes one writer at a time and no network"
    )


def _tls(options: argparse.Namespace) -> TLS | None:
    tls = TLS(options.tls_client_ca, options.tls_cert, options.tls_key)
    if tls == TLS():
        return None
    if tls.cert is None or tls.key is None:
        raise UserError("--tls-cert and --tls-key: both are needed, one was given")
    return tls


def _listen(server: Any, address: str, tls: TLS | None) -> int:
    try:
        if tls is None:
            port: int = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, server_credentials(tls))
    except RuntimeError as error:
        raise UserError(
            f"--host, --port: {address}: cannot be listened on; another --port, or 0 for any "
            "that is free"
        ) from error
    return port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.proxy",
        description="Stand between a database and many workers of searches.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--storage", required=True, metavar="URL", help="of PostgreSQL or MySQL")
    add(
        "--host",
        default="127.0.0.1",
        help="where it listens (default: %(default)s)",
    )
    add("--port", type=whole(at_least=0), default=PORT, help="0: any (default: %(default)s)")
    add("--tls-cert", type=Path, metavar="FILE", help="PEM: the certificate that it shows")
    add("--tls-key", type=Path, metavar="FILE", help="PEM: the key of that")
    add(
        "--tls-client-ca",
        type=Path,
        metavar="FILE",
        help="PEM: lets in only clients whose certificate this has signed",
    )
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
