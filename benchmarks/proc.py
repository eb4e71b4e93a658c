"""What Linux tells of a process's memory, in the texts of /proc/PID (man 5 proc)."""

import re
from pathlib import Path


def status_kib(status: str, name: str) -> int:
    """Return a size that the text of /proc/PID/status names, in KiB."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} is not in the text")
    return int(found[1])


def mapped_kib(smaps: str, folder: Path) -> dict[str, int]:
    """Return Rss and Pss in KiB, summed over the files of a folder that a process has mapped.

    Pss counts a page that P processes have mapped as 1/P of a page.

    Args:
        smaps: the text of /proc/PID/smaps.
    """
    sums = {"Rss": 0, "Pss": 0}
    is_ours = False
    for line in smaps.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):  # the head of a mapping ends with its file
            is_ours = len(fields := line.split(maxsplit=5)) == 6 and Path(
                fields[5]
            ).is_relative_to(folder)
        elif is_ours and (found := re.match(r"(Rss|Pss):\s+(\d+) kB", line)):
            sums[found[1]] += int(found[2])
    return sums
