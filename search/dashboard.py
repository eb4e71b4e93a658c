"""`python -m search.dashboard`: Optuna's dashboard on the studies here and the files they left.

It listens on this machine alone unless told otherwise: the dashboard has no login, and whoever
reaches it can delete studies.
"""

import argparse
import ipaddress
import socket
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from commands.errors import UserError, exit_status
from commands.telling import to_stderr
from search.files.artifact_place import ArtifactPlace
from search.files.artifacts import open_artifacts
from search.place_options import add_artifacts, add_storage, artifacts_option
from search.storages.storage import Place, open_storage

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8080
_LARGEST_PORT = 65535
EXAMPLES = """\
examples:
  python -m search.dashboard
  python -m search.dashboard --storage paintings/journal.log --artifacts paintings/artifacts
  ssh -L 8080:127.0.0.1:8080 HOST      see, from elsewhere, the dashboard that runs on HOST
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the dashboard until Ctrl-C; return the exit status."""
    options = _parser().parse_args(argv)
    # Optuna's, of what a page computes, again and again with every look at it.
    warnings.simplefilter("ignore", UserWarning)
    place = open_storage(options.storage, create=False)
    with make_dashboard(place, options.artifacts, options.host, options.port) as server:
        print(f"studies of {place.given}: {address(server)}", flush=True)
        for line in remarks(options.host, options.artifacts):
            to_stderr(line)
        print("Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def command(place: Place, artifacts: ArtifactPlace) -> str:
    """Return the command that shows these studies, ready to paste."""
    return f"python -m search.dashboard{place.option}{artifacts_option(artifacts)}"


def make_dashboard(place: Place, artifacts: ArtifactPlace, host: str, port: int) -> WSGIServer:
    """Return a server that listens already; `UserError` where it cannot.

    Args:
        port: 0 for any that is free.
    """
    app = wsgi(place.storage, artifact_store=open_artifacts(artifacts).store)
    try:
        kind = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        server_class = _ServerOfIPv6 if kind == socket.AF_INET6 else _Server
        return make_server(host, port, app, server_class, _QuietHandler)
    except socket.gaierror as error:
        raise UserError(f"--host {host}: no such host ({error.strerror})") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(
            f"--host {host} --port {port}: {reason}; another --port, or 0 for any that is free"
        ) from error


def address(server: WSGIServer) -> str:
    """Return what to open in a browser."""
    host, port = str(server.server_address[0]), server.server_port
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/dashboard"


def remarks(host: str, artifacts: ArtifactPlace) -> list[str]:
    """Return what a person should know before looking."""
    said = []
    if not is_loopback(host):
        said.append(
            f"warning: --host {host}: the dashboard has no login; whoever reaches this machine "
            "can read, change and delete the studies (127.0.0.1 keeps it to this machine)"
        )
    if isinstance(artifacts, Path) and not artifacts.is_dir():
        said.append(f"--artifacts {artifacts}: no such folder; files of trials are not shown")
    return said


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(ThreadingMixIn, WSGIServer):
    """Answers several requests at once, as a page's pictures are asked for."""

    daemon_threads = True


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    """Reports errors, but not every request; looks up no names of those who ask."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """Return the address alone."""
        return str(self.client_address[0])


def _port(text: str) -> int:
    if not text.isdecimal() or int(text[:6]) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"expected 0 to {_LARGEST_PORT}, got {text}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.dashboard",
        description="Show the studies, and the files their trials left, in a browser.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_storage(parser)
    add_artifacts(parser, "where trials left their files")
    add("--host", default=DEFAULT_HOST, help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=DEFAULT_PORT, help="0: any free one (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
