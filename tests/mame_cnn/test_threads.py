import os
import subprocess
import sys

PRINT = "import mame_cnn, os; print(os.environ['GOMP_SPINCOUNT'])"


def spin_count(**own: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", PRINT]
    done = subprocess.run(
        command, env=environment | own, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_threads_spin_shortly_unless_the_user_says_otherwise() -> None:
    assert spin_count() == "2000"
    assert spin_count(GOMP_SPINCOUNT="7") == "7"
