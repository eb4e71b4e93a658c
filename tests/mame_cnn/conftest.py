import pytest

from mame_cnn.reference import Reference, read_references
from tests.mame_cnn.reference_table import FOLDER


@pytest.fixture(scope="session")
def references() -> dict[str, Reference]:
    """The reference configurations of the project, by name."""
    return {one.name: one for one in read_references(FOLDER)}
