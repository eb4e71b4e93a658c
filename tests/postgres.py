"""Databases for tests, as a plugin: `pytest_plugins = ["tests.postgres"]` in a test's module.

All share one server, which is the suite's own. Where it cannot be had, its tests are skipped.
"""

from collections.abc import Iterator

import pytest

from benchmarks.postgres import Server, find_programs, serving

NO_POSTGRESQL = "PostgreSQL: no initdb found by pg_config, on the PATH or where Debian has it"


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Server]:
    programs = find_programs()
    if programs is None:
        pytest.skip(NO_POSTGRESQL)
    with serving(programs) as server:
        yield server


@pytest.fixture
def database(_postgres: Server) -> str:
    """The address of a fresh database."""
    return _postgres.fresh_database()
