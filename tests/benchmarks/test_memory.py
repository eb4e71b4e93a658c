import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import memory
from benchmarks.proc import mapped_kib, status_kib
from benchmarks.synthetic import mame_shaped

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SMAPS = """\
7f0000000000-7f0000100000 r--p 00000000 fe:00 12   /cache/paintings-64px/train+val-1/train.npy
Size:               1024 kB
Rss:                1000 kB
Pss:                 500 kB
VmFlags: rd mr mw me
7f0000100000-7f0000200000 r--p 00000000 fe:00 13   /cache/paintings-64px/train+val-1/val.npy
Rss:                 100 kB
Pss:                  50 kB
7f0000200000-7f0000300000 r--p 00000000 fe:00 14   /cache/paintings-640px/train+val-1/val.npy
Rss:                   7 kB
Pss:                   7 kB
7f0000300000-7f0000400000 rw-p 00000000 00:00 0
Rss:                  70 kB
Pss:                  70 kB
7f0000400000-7f0000500000 rw-p 00000000 00:00 0    [heap]
Rss:                  11 kB
Pss:                  11 kB
"""


def test_only_the_images_own_mappings_are_summed() -> None:
    assert mapped_kib(SMAPS, Path("/cache/paintings-64px")) == {"Rss": 1100, "Pss": 550}


def test_resident_memory_is_not_its_peak() -> None:
    status = "VmHWM:\t  900 kB\nVmRSS:\t  800 kB\nRssAnon:\t 5 kB\n"
    assert status_kib(status, "VmHWM") == 900
    assert status_kib(status, "VmRSS") == 800


def noted(*peaks_mib: float) -> list[dict[str, float]]:
    return [
        {"trial": number + 1, "number": number, "peak_mib": peak_mib}
        for number, peak_mib in enumerate(peaks_mib)
    ]


def test_growth_is_from_the_fifth_trial_to_the_last() -> None:
    grown = memory.growth(noted(100, 200, 300, 400, 500, 550, 600), alone_mib=400)
    assert list(grown.values()) == [600 / 500, 600 / 400]


def test_the_hungriest_trial_is_the_first_at_the_final_peak() -> None:
    assert memory.hungriest(noted(100, 300, 500, 500, 500))["trial"] == 3


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    made = mame_shaped(16, torch.device("cpu"), n_train=64, n_val=29)
    monkeypatch.setattr(memory, "load_dataset", lambda *source, progress: made)


@pytest.mark.usefixtures("few_images")
def test_a_study_is_noted_and_its_hungriest_trial_can_be_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The measurements that the command runs in processes of their own.
    assert memory.main(["--trials", "3", "--epochs", "1", "--measure", "study"]) == 0
    study = json.loads(capsys.readouterr().out)
    assert [one["trial"] for one in study["trials"]] == [1, 2, 3]
    peaks = [one["peak_mib"] for one in study["trials"]]
    assert peaks == sorted(peaks)
    assert all(0 < one["resident_mib"] <= one["peak_mib"] for one in study["trials"])
    config = json.dumps(study["config"])
    assert memory.main(["--epochs", "1", "--measure", "alone", "--config", config]) == 0
    assert json.loads(capsys.readouterr().out) >= peaks[-1]
