"""The program load: how it is started, and when its figures count. load.c says what its options mean."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from server import ServerFailed

Answers = dict[str, Any]

MS_MAX = 120_000
GIVE_UP_S = 180


def start(build: Path, port: int, path: str, cpus: str, *options: str) -> subprocess.Popen[str]:
    command = ["taskset", "-c", cpus, str(build / "bench/load"), *options, str(port), path]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def failed(answers: Answers) -> int:
    """Requests without a 200."""
    return sum(answers[key] for key in ("refused", "other", "broken", "unanswered"))


def finish(process: subprocess.Popen[str], may_fail: bool = False) -> Answers:
    """What came. Refusing is cheaper than working: unless requests may fail, each must have had a 200."""
    output, said = process.communicate(timeout=GIVE_UP_S)
    if process.returncode != 0:
        raise ServerFailed(said.strip() or "the load failed")
    answers: Answers = json.loads(output)
    if answers["ok"] == 0:
        raise ServerFailed("it answered nothing with a 200")
    if failed(answers) > 0 and not may_fail:
        raise ServerFailed(f"{failed(answers)} requests without a 200")
    return answers
