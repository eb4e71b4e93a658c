"""A dashboard that is open and looked at while others work on its storage."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from commands.errors import UserError
from search.dashboard import address, make_dashboard
from search.storages.storage import Place, open_storage

_BETWEEN_LOOKS_S = 0.5
_LONGEST_ANSWER_S = 60.0


@dataclass
class Looks:
    """What came of looking at the dashboard."""

    answers_s: list[float] = field(default_factory=list)
    """How long each answer took."""
    faults: list[str] = field(default_factory=list)
    """What went wrong instead of an answer."""
    n_seen: int = 0
    """The most trials that a page has shown."""


@contextmanager
def looking(storage: str, artifacts: Path) -> Iterator[Looks]:
    """Open the dashboard as soon as there is a storage, and look at every page until the end.

    At the list of studies, then at each study with its trials, twice a second.
    """
    looks, is_over = Looks(), Event()
    thread = Thread(target=_look, args=(storage, artifacts, looks, is_over))
    thread.start()
    try:
        yield looks
    finally:
        is_over.set()
        thread.join()


def _look(storage: str, artifacts: Path, looks: Looks, is_over: Event) -> None:
    place = _opened(storage, is_over)
    if place is None:
        looks.faults.append("there was nothing to open")
        return
    with closing(place), make_dashboard(place, artifacts, "127.0.0.1", 0) as server:
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        api = address(server).removesuffix("/dashboard") + "/api/studies"
        while not is_over.wait(_BETWEEN_LOOKS_S):
            _look_once(api, looks)
        _look_once(api, looks)  # at how it stands in the end
        server.shutdown()
        serving.join()


def _opened(storage: str, is_over: Event) -> Place | None:
    while not is_over.wait(_BETWEEN_LOOKS_S):
        try:
            return open_storage(storage, create=False)
        except UserError:
            continue  # it is not there yet
    return None


def _look_once(api: str, looks: Looks) -> None:
    began_s = time.monotonic()
    try:
        for study in _asked(api)["study_summaries"]:
            trials = _asked(f"{api}/{study['study_id']}?after=0")["trials"]
            looks.n_seen = max(looks.n_seen, len(trials))
    except (OSError, ValueError, LookupError) as error:
        looks.faults.append(f"{type(error).__name__}: {error}")
    looks.answers_s.append(time.monotonic() - began_s)


def _asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=_LONGEST_ANSWER_S) as response:
        return json.loads(response.read())
