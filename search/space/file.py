"""Reading a space file: a Python file whose module-level `SPACE` is a `Space`.

The file is run by its path, under a private name and without a trace in `sys.modules`; neither
its folder nor the name of the file matters to Python. Whatever is wrong with it is the user's.
"""

import difflib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from commands.errors import UserError
from search.space import Space
from search.space import __all__ as NAMES

SPACES = Path("spaces")
"""Where space files lie."""


def load_space(path: Path | str) -> Space:
    """Return the sound space that a file declares, or raise a UserError that names every fault."""
    path = Path(path)
    _refuse_what_is_no_python_file(path)
    module = _run(path)
    space = getattr(module, "SPACE", None)
    if space is None:
        raise UserError(f"{path}: has no SPACE; it must say SPACE = Space(...)")
    if not isinstance(space, Space):
        raise UserError(f"{path}: SPACE must be a Space, got a {type(space).__name__}")
    faults = space.faults()
    if faults:
        heading = f"{path}: the space has {len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise UserError("\n  ".join([heading, *faults]))
    return space


def _refuse_what_is_no_python_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give one of its space files")
    if not path.exists():
        raise UserError(f"{path}: there is no such space file{_did_you_mean(path)}")
    if path.suffix != ".py":
        raise UserError(f"{path}: a space file ends in .py, this one in {path.suffix!r}")


def _run(path: Path) -> ModuleType:
    module = ModuleType(f"_space_file_{path.stem}")
    module.__file__ = str(path)
    try:
        # Compiled here, not imported: a cached .pyc can outlive an edit made within a second.
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{path}:{error.lineno}" if error.lineno else f"{path}"
        raise UserError(f"{where}: syntax error: {error.msg}") from error
    except ValueError as error:
        raise UserError(f"{path}: is no Python source: {error}") from error
    # Dataclasses and the like look their module up there. One space file may load another of
    # the same name, so what was there is put back.
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except UserError as error:
        raise UserError(f"{_where(path, error)}: {error}") from error
    except NameError as error:
        hint = f"; add: from search.space import {error.name}" if error.name in NAMES else ""
        raise UserError(f"{_where(path, error)}: raises NameError: {error}{hint}") from error
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise UserError(f"{_where(path, error)}: raises {kind}: {error}") from error
    finally:
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before
    return module


def _where(path: Path, error: BaseException) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else f"{path}"


def _did_you_mean(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent} either"
    near = sorted(file.name for file in path.parent.glob("*.py") if file.name != "__init__.py")
    close = difflib.get_close_matches(path.name, near, n=1)
    shipped = SPACES / path.with_suffix(".py").name
    if not close and path.parent == Path() and shipped.is_file():
        return f"; did you mean {shipped}?"
    return f"; did you mean {path.parent / close[0]}?" if close else ""
