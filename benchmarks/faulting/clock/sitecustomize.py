"""A clock that can be set: Python imports this in every process with this folder on its path.

A file that the environment names holds the seconds by which the time of day is off. It stands
for libfaketime, which is not everywhere. `datetime` is replaced where this project and Optuna
name it, as pandas' compiled classes inherit from the real one. The monotonic clock stays.
"""

import datetime
import os
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace
from typing import Any

_FILE = os.environ.get("FAULTS_CLOCK")
_ROOMS = {"optuna", "optuna_dashboard", "search", "mame_cnn", "commands"}
_now_s = time.time


def _off_s() -> float:
    try:
        with open(_FILE or "") as file:
            return float(file.read())
    except (OSError, ValueError):
        return 0.0


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class _Datetime(datetime.datetime, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Datetime":
        """Return the time of day by the clock that is off."""
        return cls.fromtimestamp(_now_s() + _off_s(), tz)


_MODULE = SimpleNamespace(**vars(datetime) | {"datetime": _Datetime})


class _Finder:
    """Finds modules of these packages, and has them take the other `datetime`."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module; None for those of other packages."""
        if name.partition(".")[0] not in _ROOMS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            loader: Any = spec.loader
            load = loader.exec_module

            def load_and_replace(module: ModuleType) -> None:
                load(module)
                named = module.__dict__.get("datetime")
                if named is datetime.datetime:
                    module.__dict__["datetime"] = _Datetime
                elif named is datetime:
                    module.__dict__["datetime"] = _MODULE

            loader.exec_module = load_and_replace
        return spec


if _FILE is not None:
    time.__dict__["time"] = lambda: _now_s() + _off_s()
    sys.meta_path.insert(0, _Finder)
