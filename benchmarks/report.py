"""What benchmarks share around their measurements: options, children, the table and its JSON."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.machine import hardware
from commands.errors import UserError
from mame_cnn.process import SPIN_COUNT

Result = dict[str, Any]
"""One measurement by name, in values that JSON has."""
Columns = Mapping[str, Callable[[Result], str]]
"""A table's columns: heading, and how a result is written under it."""

_FILE_WIDTH = 160  # of a table in a file, where rich would take 80


def make_parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser for a benchmark, described by its docstring, with --json."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=(doc or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write hardware and results")
    return parser


def measured(module: str, *arguments: object, environment: Mapping[str, str] = os.environ) -> Any:
    """Run a benchmark's command in a process of its own and return what its last line says.

    Each measurement then has its own allocator, caches and peak of memory.
    """
    return json.loads(run(module, *arguments, environment=environment).splitlines()[-1])


def run(module: str, *arguments: object, environment: Mapping[str, str] = os.environ) -> str:
    """Run a command of this project in a process of its own, and return what it prints.

    Raises `UserError` if it fails.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, env=dict(environment)
    )
    if done.returncode:
        raise UserError(f"python -m {module}: failed, as said above: {shlex.join(command[3:])}")
    return done.stdout


def untouched() -> dict[str, str]:
    """Return the environment without what importing `mame_cnn` has added for its own threads."""
    ours = {"GOMP_SPINCOUNT": SPIN_COUNT}
    return {name: value for name, value in os.environ.items() if ours.get(name) != value}


def publish(
    results: Sequence[Result],
    *,
    device: torch.device,
    title: str,
    columns: Columns,
    path: Path | None,
    lines: Sequence[str] = (),
    **facts: Any,
) -> None:
    """Print the hardware and a table of the results, and write them as JSON.

    Args:
        path: of the JSON; None for none.
        lines: what else to say, under the table; kept as `notes`.
        facts: what else to keep, beside the results.
    """
    report = {"hardware": hardware(device), **facts, "results": list(results)}
    if lines:
        report["notes"] = list(lines)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(", ".join(f"{name} {value}" for name, value in report["hardware"].items()))
    table = Table(title=title)
    for heading in columns:
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(*(cell(result) for cell in columns.values()))
    console.print(table)
    for line in lines:
        console.print(line)
    if path is not None:
        path.write_text(json.dumps(report, indent=1) + "\n")


def verdict(name: str, value: float, goal: float, *, unit: str = "", is_most: bool = True) -> str:
    """Say whether a figure reaches its goal, which is the most it may be, or the least."""
    is_reached = value <= goal if is_most else value >= goal
    bound = "at most" if is_most else "at least"
    answer = "reached" if is_reached else "missed"
    return f"{name}: {value:.3g}{unit} ({bound} {goal:g}{unit}: {answer})"
