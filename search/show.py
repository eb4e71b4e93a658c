"""Printing a space: the question it asks, its table, and how many points its grid has."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.errors import exit_status
from search.space import Space
from search.space.file import load_space
from search.space.parameters import Choice, Parameter
from search.space.values import Value

_PIPED_WIDTH = 160  # columns where there is no terminal to fit into: a table of sources is wide

_EXAMPLES = """examples:
  python -m search.show spaces/dropout.py
  python -m search.show spaces/everything.py | grep 'grid points'
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Validate a space file and print what it declares."""
    parser = argparse.ArgumentParser(
        prog="python -m search.show",
        description="Validate a search space and print it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "space", metavar="SPACE.py", help="a file that declares SPACE = Space(...)"
    )
    space = load_space(parser.parse_args(argv).space)
    # Plain text throughout: a source such as "arXiv [1]" is no markup.
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_PIPED_WIDTH)
    show(space, console)
    return 0


def show(space: Space, console: Console) -> None:
    """Print a sound space: question, parameters, fixed values, baselines, budget and size."""
    console.print(Text(space.title, style="bold"))
    for heading, text in (
        ("Previous observed state", space.question.previous),
        ("Current hypothesis", space.question.hypothesis),
        ("Experimental set-up", space.question.setup),
    ):
        console.print(Text.assemble("\n", (heading, "bold"), "\n", " ".join(text.split())))
    console.print()
    console.print(_table(space.parameters))
    console.print(Text.assemble(("fixed: ", "bold"), _settings(space.fixed) or "nothing"))
    for number, baseline in enumerate(space.baselines, start=1):
        console.print(Text.assemble((f"baseline {number}: ", "bold"), _settings(baseline)))
    console.print(Text.assemble(("epochs: ", "bold"), str(space.epochs)))
    console.print(f"digest: {space.digest}")
    console.print(f"grid points: {_grid_points(space)}", soft_wrap=True)


def _table(rows: Sequence[Parameter]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    longest = max((len(row.name) for row in rows), default=0)
    table.add_column("parameter", no_wrap=True, min_width=longest)
    table.add_column("kind", overflow="fold")
    table.add_column("range", overflow="fold")
    table.add_column("scale", overflow="fold")
    table.add_column("exists when", overflow="fold")
    table.add_column("source", overflow="fold", ratio=1)
    for row in rows:
        exists = " and ".join(str(condition) for condition in row.conditions) or "always"
        kind = type(row).__name__.lower()
        table.add_row(row.name, kind, _range(row), _scale(row), exists, row.source or "-")
    return table


def _range(row: Parameter) -> str:
    if isinstance(row, Choice):
        return ", ".join(str(option) for option in row.options)
    return f"{row.low} to {row.high}"


def _scale(row: Parameter) -> str:
    if isinstance(row, Choice):
        return "-"
    if row.log:
        return "log"
    return "continuous" if row.step is None else f"step {row.step}"


def _settings(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _grid_points(space: Space) -> str:
    n_points = space.n_grid_points()
    if n_points is not None:
        return str(n_points)
    endless = [row.name for row in space.parameters if row.n_values() is None]
    verb = "is" if len(endless) == 1 else "are"
    return f"not finite: {', '.join(endless)} {verb} continuous"


if __name__ == "__main__":
    sys.exit(exit_status(main))
