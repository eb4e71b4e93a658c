"""What pyproject.toml asks for and what constraints.txt pins fit together."""

import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = chain.from_iterable(PROJECT["optional-dependencies"].values())
ASKED = sorted({*PROJECT["dependencies"], *EXTRAS})


def pins() -> dict[str, str]:
    """Return the one version of each package that the constraints allow."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("asked", ASKED)
def test_every_dependency_has_a_lowest_version(asked: str) -> None:
    """Without one, .ci/lowest would try a release of many years ago."""
    assert ">=" in {clause.operator for clause in Requirement(asked).specifier}


@pytest.mark.parametrize("asked", ASKED)
def test_every_dependency_is_pinned_at_a_version_that_is_allowed(asked: str) -> None:
    requirement = Requirement(asked)
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])
