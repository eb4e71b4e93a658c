from pathlib import Path
from random import Random

import pytest

from benchmarks import fuzz
from benchmarks.fuzz_readers import Reader, make_readers
from benchmarks.mutator import LARGEST, Mutator
from commands.errors import UserError, exit_status

CORPUS = (b"a = 1\nb = [1, 2]\n", b'{"a": 1}')


def copies(seed: int, n: int = 200) -> list[bytes]:
    mutator = Mutator(CORPUS, Random(seed))
    return [mutator.make() for _ in range(n)]


def test_the_same_seed_damages_the_same_bytes() -> None:
    assert copies(1) == copies(1)
    assert copies(1) != copies(2)


def test_copies_differ_and_stay_within_bounds() -> None:
    made = copies(3, 1000)
    assert len({*made}) > 500
    assert max(map(len, made)) <= LARGEST


def test_what_a_reader_may_raise_is_a_refusal_and_all_else_a_fault() -> None:
    def read(content: bytes) -> None:
        if len(content) % 3 == 0:
            raise UserError("no")
        if len(content) % 3 == 1:
            raise KeyError("a")

    tally = fuzz.fuzz(Reader("made up", CORPUS, read), 300, seed=0)
    assert tally.n_accepted + tally.n_refused + tally.n_faults == 300
    assert min(tally.n_accepted, tally.n_refused, tally.n_faults) > 50
    [(what, (n, content))] = tally.faults.items()
    assert what.startswith("KeyError at test_fuzz.py:")
    assert n == tally.n_faults
    assert len(content) % 3 == 1


def test_a_file_that_takes_too_long_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "LONGEST_S", 0.01)

    def read(content: bytes) -> None:
        while True:
            try:
                bytes(content)
            except Exception:
                continue

    tally = fuzz.fuzz(Reader("endless", CORPUS, read), 2, seed=0)
    assert tally.n_faults == 2
    assert next(iter(tally.faults)).startswith("TooSlowError")


def test_every_reader_accepts_its_own_files(tmp_path: Path) -> None:
    for reader in make_readers(tmp_path):
        for content in reader.corpus:
            reader.read(content)


@pytest.mark.filterwarnings("ignore")
def test_a_short_run_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--executions", "480", "--seed", "1", "--json", str(tmp_path / "out.json")]
    assert exit_status(lambda: fuzz.main(arguments)) == 0
    assert "damaged files, seed 1" in capsys.readouterr().out
    assert (tmp_path / "out.json").exists()


def test_an_unknown_reader_is_refused() -> None:
    assert exit_status(lambda: fuzz.main(["--readers", "unknown"])) == 2
