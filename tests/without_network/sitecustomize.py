"""Closes the network: from where this file is imported, a process reaches its own machine alone.

The suite imports it in `conftest.py`. Python itself does in every process that has this folder on
its PYTHONPATH, so commands under test and the workers they start are held to it as well.
Python's own sockets are seen (PEP 578); what a C library opens without them is not.
"""

import ipaddress
import os
import sys

ATTEMPTS_FILE = "NETWORK_ATTEMPTS"
"""The environment variable that names a file to which attempts are written."""

attempts: list[str] = []
"""What this process has tried to reach, also where the error was caught."""

_TO_AN_ADDRESS = frozenset(("socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"))
_FOR_A_NAME = frozenset(
    ("socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "socket.getnameinfo")
)


class NetworkError(RuntimeError):
    """Something asked for the network. No `OSError`: those are caught as a network's weather."""


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    """Raise `NetworkError` where an audit event would leave this machine."""
    if event in _TO_AN_ADDRESS:
        address = arguments[1]
        if not isinstance(address, tuple):  # a local socket's path, or none: connected before
            return
        host = address[0]
    elif event in _FOR_A_NAME:
        host = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
    else:
        return
    if not _is_own(host):
        _record(attempt := f"{event} {host!r}")
        raise NetworkError(f"{attempt}: the suite closes the network (tests/without_network)")


def _is_own(host: object) -> bool:
    """Tell whether only this machine is reached by a host's name or address."""
    if host is None or isinstance(host, int):  # no name to look up; no address of IP
        return True
    name = host.decode(errors="replace") if isinstance(host, bytes | bytearray) else str(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _record(attempt: str) -> None:
    attempts.append(attempt)
    if path := os.environ.get(ATTEMPTS_FILE):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{attempt}\n")


sys.addaudithook(_refuse_other_machines)
