"""What a process takes of the machine, as the kernel counts it."""

import os
from pathlib import Path


def peak_mib(pid: int) -> float:
    """The most that was ever resident, MiB."""
    return _mib(pid, "status", "VmHWM:")


def resident_mib(pid: int) -> float:
    """What is resident now, MiB; pages shared with others count whole."""
    return _mib(pid, "status", "VmRSS:")


def _mib(pid: int, file: str, name: str) -> float:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024, 1)


def cpu_s(pid: int) -> float:
    """Seconds of processor time since it began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)
