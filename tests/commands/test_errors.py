import errno
import subprocess
import sys
from pathlib import Path

import pytest

from commands.errors import UserError, exit_status, naming


def raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("lr: too large"), 2, "error: lr: too large\n"),
        (OSError(errno.ENOSPC, "No space left", "j.log"), 2, "error: j.log: No space left\n"),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a folder", "a/b"),
            2,
            "error: a/b: Not a folder\n",
        ),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_mistake_is_one_message_and_a_status(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(lambda: raising(error)) == status
    assert capsys.readouterr().err == message


def test_a_fault_of_the_program_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        exit_status(lambda: raising(FileNotFoundError(errno.ENOENT, "No such file", "x")))


def test_an_error_without_a_path_is_given_one() -> None:
    with pytest.raises(OSError, match=r"No space left.*'j.log'"), naming(Path("j.log")):
        raise OSError(errno.ENOSPC, "No space left")
    with pytest.raises(OSError, match=r"'k.log'"), naming(Path("j.log")):
        raise OSError(errno.ENOSPC, "No space left", "k.log")


def test_a_reader_that_goes_away_ends_a_command_without_a_traceback() -> None:
    show = [sys.executable, "-m", "search.show", "spaces/everything.py"]
    with subprocess.Popen(
        show,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert "Traceback" not in errors
    assert process.returncode in (1, 141)  # rich notices it first and exits with 1
