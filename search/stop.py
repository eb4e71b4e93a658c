"""`python -m search.stop STUDY`: ask whoever searches a study, anywhere, to stop.

Each process ends the epoch under way, writes checkpoints and ends; the same `search.run` goes on.
"""

import argparse
import sys
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

from optuna.study import Study

from commands.errors import exit_status
from search.doctor.dead_trials import is_dead, running
from search.engine.stopping import STOP
from search.place_options import add_storage
from search.storages.storage import open_storage
from search.studies.loading import load_study
from search.trials.reading import OWNER

_EXAMPLES = """examples:
  python -m search.stop regularization
  python -m search.stop regularization --storage postgresql://host/studies
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, and say who has been asked."""
    options = _parser().parse_args(argv)
    study = load_study(open_storage(options.storage, create=False), options.study)
    asked = ask_to_stop(study)
    if not asked:
        print(f"study {study.study_name}: nothing is running")
    for process, n_trials in asked.items():
        print(f"asked {process}: {_trials(n_trials)}, to the end of the epoch under way")
    if n_dead := sum(map(is_dead, running(study))):
        print(f"{_trials(n_dead)} of processes that have died: the next search goes on with them")
    return 0


def ask_to_stop(study: Study) -> Counter[str]:
    """Ask all who search a study to stop; return how many trials each living process runs."""
    study.set_user_attr(STOP, uuid.uuid4().hex)
    owners = (trial.user_attrs.get(OWNER) for trial in running(study) if not is_dead(trial))
    known = (own if isinstance(own, Mapping) else {} for own in owners)
    return Counter(f"process {own.get('pid')} on {own.get('host')}" for own in known)


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search.stop",
        description="Ask whoever searches a study, here or elsewhere, to stop; search.run goes on "
        "with it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", metavar="STUDY")
    add_storage(parser)
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
