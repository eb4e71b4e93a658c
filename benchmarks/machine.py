"""The line that says where a figure was measured."""

import os
import platform
from pathlib import Path

import torch

from mame_cnn.environment import environment
from mame_cnn.precision import choose_precision


def hardware(device: torch.device) -> dict[str, str]:
    """Return processor, cores, device, the precision chosen for it, versions and commit."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "threads": str(torch.get_num_threads()),
        "system": platform.platform(),
        **environment(device, choose_precision("auto", device)),
    }


def _processor() -> str:
    """Return the processor's name and which of its instructions matter here."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    entries = dict(
        line.split(":", 1) for line in text.partition("\n\n")[0].splitlines() if ":" in line
    )
    facts = {name.strip(): value.strip() for name, value in entries.items()}
    useful = {"avx2", "avx512f", "avx512_bf16", "amx_bf16"} & set(facts.get("flags", "").split())
    return f"{facts.get('model name', platform.machine())} ({', '.join(sorted(useful))})"
