"""What may be said about the machine in a report, and which of its CPUs do what. No names, no paths."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

BUSY_CPUS = 0.25  # in use before ours: with more, figures are noise
BUSY_S = 2


@dataclass(frozen=True)
class Cpus:
    """Lists as taskset takes them."""

    server: str  # the one that a pinned server gets
    client: str  # the one of its client
    both: str  # two that server and client share
    alone: bool  # server and client share nothing

    @staticmethod
    def of_this_process() -> Cpus:
        cpus = [str(cpu) for cpu in sorted(os.sched_getaffinity(0))]
        first, second = cpus[0], cpus[-1]
        return Cpus(first, second, ",".join(cpus[:2]), first != second)


def idle_and_all(stat: str) -> tuple[int, int]:
    """Ticks of all CPUs together since the start, from /proc/stat; a wait for a disk is idle."""
    _, user, nice, system, idle, iowait, irq, softirq, steal = stat.split()[:9]
    waiting = int(idle) + int(iowait)
    return waiting, waiting + sum(map(int, (user, nice, system, irq, softirq, steal)))


def cpus_in_use(seconds: float) -> float:
    """Of the whole machine, for so long. The load average would still tell of what was over a minute ago."""
    stat = Path("/proc/stat")
    idle_before, all_before = idle_and_all(stat.read_text())
    time.sleep(seconds)
    idle, everything = idle_and_all(stat.read_text())
    return (os.cpu_count() or 1) * (1 - (idle - idle_before) / (everything - all_before))


def facts(cpus: Cpus, in_use: float) -> dict[str, str]:
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "system": f"{distribution()}, {platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{len(os.sched_getaffinity(0))} x {model.group(1) if model else 'unknown'}",
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB" if memory else "unknown",
        "in use before": f"{in_use:.2f} CPUs, over {BUSY_S} s",
        "pinned": f"server on CPU {cpus.server}, client on CPU {cpus.client}",
    }


def distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"
