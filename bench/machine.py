"""What may be said about the machine in a report, and which of its CPUs do what. No names, no paths."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

BUSY_LOAD = 0.5  # runnable threads that are not ours: with more, figures are noise


@dataclass(frozen=True)
class Cpus:
    """Lists as taskset takes them."""

    server: str  # the one that a pinned server gets
    client: str  # the one of its client
    both: str  # two for a server, and on a machine with two also for its client
    alone: bool  # server and client share nothing

    @staticmethod
    def of_this_process() -> Cpus:
        cpus = [str(cpu) for cpu in sorted(os.sched_getaffinity(0))]
        first, second = cpus[0], cpus[-1]
        return Cpus(first, second, ",".join(cpus[:2]), first != second)


def load_now() -> float:
    return os.getloadavg()[0]


def facts(cpus: Cpus) -> dict[str, str]:
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "system": f"{distribution()}, {platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{len(os.sched_getaffinity(0))} x {model.group(1) if model else 'unknown'}",
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB" if memory else "unknown",
        "load before": f"{load_now():.2f}",
        "pinned": f"server on CPU {cpus.server}, client on CPU {cpus.client}",
    }


def distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"
