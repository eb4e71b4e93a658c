"""Servers for tests, as processes of their own: started, and ready once they say so."""

import socket
import subprocess
from collections.abc import Sequence
from threading import Thread


class Program:
    """A server that runs."""

    def __init__(self, command: Sequence[str], ready: str) -> None:
        """Start it, and wait for the line that says it is ready."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,  # a terminal's Ctrl-C is for the tests
        )
        assert self._process.stdout is not None
        told = ""
        while ready not in told:
            line = self._process.stdout.readline()
            if not line:
                self._process.communicate()
                raise AssertionError(f"{command[0]}: {told}")
            told += line
        # It would stop once nobody read what it writes.
        self._reading = Thread(target=self._process.stdout.read, daemon=True)
        self._reading.start()

    def stop(self) -> None:
        """End it in good order, if it has not ended yet."""
        self._process.terminate()
        self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
