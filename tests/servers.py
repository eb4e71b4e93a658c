"""Databases of MySQL and Redis for tests: `pytest_plugins = ["tests.servers"]` in a test's module.

All of a kind share one server, which is the suite's own. Where it cannot be had, its tests are
skipped.
"""

from collections.abc import Iterator

import pytest

from tests import mariadb, redis_server


@pytest.fixture(scope="session")
def _mariadb() -> Iterator[mariadb.Server]:
    with mariadb.serving() as server:
        yield server


@pytest.fixture
def mysql_database(_mariadb: mariadb.Server) -> str:
    """The address of a fresh database."""
    return _mariadb.fresh_database()


@pytest.fixture(scope="session")
def _redis() -> Iterator[redis_server.Server]:
    with redis_server.serving() as server:
        yield server


@pytest.fixture
def redis_database(_redis: redis_server.Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the server, emptied; its password is in the environment."""
    monkeypatch.setenv("MAME_STORAGE_PASSWORD", redis_server.PASSWORD)
    return _redis.fresh_database()
