"""A server of buckets for tests: moto's, in a process of its own, for this machine alone."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

from search.files.bucket import BucketPath

SECRET = "not-to-be-printed-anywhere"
_STARTED = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


@dataclass
class Server:
    """A server that may be stopped."""

    address: str
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """End it, with all that it has."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server until the block ends."""
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = ""
            while not (started := _STARTED.search(told)):
                line = process.stderr.readline()
                assert line, f"moto's server: {told}"
                told += line
            # It would stop once nobody read what it writes.
            Thread(target=process.stderr.read, daemon=True).start()
            yield Server(started[1], process)
        finally:
            process.kill()


def client() -> Any:
    """Return boto3's own client, which knows nothing of this project."""
    import boto3

    return boto3.session.Session().client("s3")


def keys(bucket: BucketPath) -> list[str]:
    """Return all keys of a bucket, by boto3's own client."""
    return [
        found["Key"]
        for found in client().list_objects_v2(Bucket=bucket.bucket).get("Contents", ())
    ]
