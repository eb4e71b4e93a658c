"""A Ray cluster that is started for one search alone."""

import ipaddress
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import GUARD
from tests.processes import line_of, parents

ROOT = Path(__file__).parents[1]
MOST_S = 300


@pytest.mark.slow
def test_a_cluster_for_one_search_listens_to_this_machine_alone(tmp_path: Path) -> None:
    program = (
        "from search.workers.ray_cluster import reached\n"
        "from tests.test_ray_alone import listening\n"
        "with reached('local', print):\n"
        "    print(*listening(), sep='\\n')\n"
    )
    # Ray keeps a token for the clusters that it starts at home.
    paths = {"PYTHONPATH": os.pathsep.join((GUARD, str(ROOT))), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_S,
    )
    assert done.returncode == 0, done.stderr
    hosts = {ipaddress.ip_address(line) for line in done.stdout.splitlines()}
    assert hosts
    assert all((getattr(host, "ipv4_mapped", None) or host).is_loopback for host in hosts)


def listening() -> list[str]:
    """Return the addresses on which this process and its descendants wait for connections."""
    known = parents()
    own = [pid for pid in known if os.getpid() in line_of(pid, known)]
    sockets = {link for pid in own for link in open_files(pid) if link.startswith("socket:")}
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()  # man 5 proc
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1].partition(":")[0])
    return [str(address_of(text)) for text in found]


def address_of(text: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address":
    """Return an address that the kernel writes as words of four bytes in its own order."""
    words = (bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8))
    own_order = sys.byteorder == "little"
    return ipaddress.ip_address(b"".join(word[::-1] if own_order else word for word in words))


def open_files(pid: int) -> list[str]:
    """Return what a process has open; nothing for one that has ended."""
    links = []
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                links.append(os.readlink(entry))
    return links
