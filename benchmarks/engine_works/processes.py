"""A process and all that it started: processor time and memory, as Linux tells them."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_PARENT, _CPU = 1, slice(11, 15)  # places in /proc/PID/stat after the name: user and system time, its own and of ended


def tree(root: int) -> dict[int, list[str]]:
    """The processes below a process, itself too, and what /proc says of each."""
    stats: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stats[int(folder.name)] = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue  # it ended while being looked at
    inside, found = {root}, 0
    while len(inside) > found:  # a parent may have a higher number than its child
        found = len(inside)
        inside |= {pid for pid, stat in stats.items() if int(stat[_PARENT]) in inside}
    return {pid: stats[pid] for pid in inside if pid in stats}


def cpu_seconds(root: int) -> float:
    """Of all of them, and of those that ended and were waited for."""
    return sum(sum(map(int, stat[_CPU])) for stat in tree(root).values()) / _TICKS


def all_cpu_seconds() -> float:
    """Of all processes of the machine since it started, waiting left out."""
    user, nice, system, _idle, _waiting, *interrupts = Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    return sum(map(int, (user, nice, system, *interrupts))) / _TICKS


def resident_bytes(root: int) -> int:
    """The sum over the processes; what two of them share counts twice."""
    total = 0
    for pid in tree(root):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            continue
    return total
