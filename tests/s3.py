"""Buckets for tests, as a plugin: `pytest_plugins = ["tests.s3"]` in a test's module.

All are of one server, which moto runs for this machine alone.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from search.files.artifact_place import artifact_place
from search.files.bucket import BucketPath
from tests.s3_server import SECRET, Server, client, serving


@pytest.fixture(scope="session")
def _s3() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def aws(_s3: Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment in which boto3 finds the server, and nothing of this machine's user."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def bucket(aws: pytest.MonkeyPatch) -> BucketPath:
    """A part of a fresh bucket."""
    name = f"studies-{uuid4().hex}"
    client().create_bucket(Bucket=name)
    place = artifact_place(f"s3://{name}/paintings/first")
    assert isinstance(place, BucketPath)
    return place
