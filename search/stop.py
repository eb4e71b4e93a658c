"""`python -m search.stop STUDY`: ask whoever searches a study, anywhere, to stop.

Each process ends the epoch under way, writes checkpoints and ends; the same `search.run` goes on.
"""

import argparse
import sys
import uuid
from collections import Counter
from collections.abc import Sequence

from optuna.study import Study
from optuna.trial import TrialState

from commands.errors import exit_status
from search.loading import load_study
from search.place_options import add_storage
from search.stopping import STOP
from search.storage import open_storage
from search.trials import OWNER

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
        trials = "1 trial" if n_trials == 1 else f"{n_trials} trials"
        print(f"asked {process}: {trials}, to the end of the epoch under way")
    return 0


def ask_to_stop(study: Study) -> Counter[str]:
    """Ask all who search a study to stop; return how many trials each process runs."""
    study.set_user_attr(STOP, uuid.uuid4().hex)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    owners = (trial.user_attrs.get(OWNER, {}) for trial in running)
    return Counter(f"process {own.get('pid')} on {own.get('host')}" for own in owners)


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
