"""What a search prints when it has ended: the outcome, the best trial, what to do next."""

import shlex

from rich.console import Console
from rich.table import Table

from search.displays.progress import percent
from search.export import default_path, train_command
from search.files.artifact_place import ArtifactPlace
from search.place_options import artifacts_option
from search.storages.storage import Place
from search.trials.outcome import Outcome
from search.trials.reading import CONFIG


def summarise(outcome: Outcome, study: str, place: Place, artifacts: ArtifactPlace) -> None:
    """Print the best trial, its parameters and what to do next, ready to paste."""
    from search import dashboard  # imports scikit-learn, which nobody need wait for

    console = Console(highlight=False, markup=False, soft_wrap=True)
    standing, best = outcome.standing, outcome.best
    console.print()
    console.print(outcome.message)
    console.print(
        f"{standing.n_complete} complete, {standing.n_pruned} pruned, {standing.n_failed} failed"
    )
    if best is None:
        return
    console.print(
        f"best: trial {best.number}, validation accuracy {percent(best.value)} %",
        style="bold green",
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2), show_header=False)
    for name, value in best.params.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    files = artifacts_option(artifacts)
    console.print("\nnext:")
    for command in (
        dashboard.command(place, artifacts),
        shlex.join(["python", "-m", "search.report", study]) + place.option + files,
        shlex.join(["python", "-m", "search.export", study]) + place.option,
        train_command(default_path(place, study), best.user_attrs.get(CONFIG, {})),
    ):
        console.print(f"  {command}")
