#!/usr/bin/env python3
"""hoist and its peers, row by row, side by side: ./dev bench. docs/BENCHMARKING.md explains it.

Happy path: in each round of a row every server is measured once, in an order that moves on by one from round to round;
the tables go to stdout and, with JSON and a chart, to bench/results/.
Failures: a server that is not installed or fails is left out by name; without hoist there is no bench. A busy machine:
no full run, unless --even-if-busy.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable

import chart
import machine
import report
from measure import Bench, Effort, descriptors_needed
from report import Measured
from rows import ROWS, Row
from server import SERVERS, ServerFailed

FULL = Effort(rounds=5, ms=2000, warm_ms=800, storm_ms=30_000, idle_connections=10_000, small_jobs=20_000)
QUICK = Effort(rounds=2, ms=250, warm_ms=100, storm_ms=3_000, idle_connections=1_000, small_jobs=2_000)
LOAD_MS_MAX = 100_000  # so that a load of load.MS_MAX beside it lasts longer
BUILD = Path("build/release")
RESULTS = Path(__file__).parent / "results"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def keys(known: list[str]) -> Callable[[str], list[str]]:
    """An option's value as a list of these."""

    def read(text: str) -> list[str]:
        chosen = list(filter(None, text.split(",")))
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"no such row or server: {', '.join(unknown)}")
        if not chosen:
            raise argparse.ArgumentTypeError("it names none")
        return chosen

    return read


def number(low: int, high: int) -> Callable[[str], int]:
    """An option's value as a number in this range."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {low} to {high}")
        return int(text)

    return read


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="hoist and its peers, side by side, on this machine"
    )
    parser.add_argument(
        "--quick", action="store_true", help="all rows in two minutes: shows that they work, proves little"
    )
    rows = [row.key for row in ROWS]
    parser.add_argument("--rows", type=keys(rows), metavar="KEY,...", help=f"only these: {', '.join(rows)}")
    parser.add_argument(
        "--servers", type=keys(list(SERVERS)), metavar="KEY,...", help=f"hoist and only these: {', '.join(SERVERS)}"
    )
    parser.add_argument("--rounds", type=number(1, 1000), metavar="N")
    parser.add_argument("--ms", type=number(1, LOAD_MS_MAX), metavar="N", help="how long each load lasts")
    parser.add_argument("--even-if-busy", action="store_true", help="measure on a machine that does other things too")
    parser.add_argument("--build", type=Path, default=BUILD, help="CMake's build folder")
    parser.add_argument("--check", action="store_true", help="only see whether the arguments are right")
    return parser.parse_args()


def effort_of(options: argparse.Namespace) -> Effort:
    effort = QUICK if options.quick else FULL
    return replace(effort, rounds=options.rounds or effort.rounds, ms=options.ms or effort.ms)


def chosen_rows(options: argparse.Namespace) -> list[Row]:
    return [row for row in ROWS if options.rows is None or row.key in options.rows]


def leave_out_absent(measured: Measured, build: Path, only: list[str] | None) -> None:
    for subject in measured.row.servers:
        reason = SERVERS[subject].missing(build)
        if only is not None and subject != "hoist" and subject not in only:
            reason = "not asked for"
        if reason is not None:
            measured.leave_out(subject, reason)


def measure_round(bench: Bench, measured: Measured, number: int) -> None:
    subjects = [subject for subject in measured.row.subjects() if subject not in measured.left_out]
    turn = number % len(subjects) if subjects else 0
    for subject in subjects[turn:] + subjects[:turn]:
        try:
            figures = measured.row.measure_of(subject)(bench, subject)
            measured.rounds.setdefault(subject, []).append(figures)
        except (ServerFailed, OSError, ValueError, ArithmeticError, subprocess.SubprocessError) as error:
            measured.leave_out(subject, str(error) or type(error).__name__)
            say(f"bench: {measured.row.key}: {measured.row.label(subject)} left out: {error}")


def in_the_rows_order(measured: Measured) -> None:
    """Whoever happened to begin a round: the table lists them as the row does."""
    measured.rounds = {
        subject: measured.rounds[subject] for subject in measured.row.subjects() if subject in measured.rounds
    }


def measure_all(bench: Bench, rows: list[Row], only: list[str] | None) -> list[Measured]:
    everything = [Measured(row) for row in rows]
    for measured in everything:
        leave_out_absent(measured, bench.build, only)
    for number in range(bench.effort.rounds):
        for measured in everything:
            if number > 0 and measured.row.once:
                continue
            began = time.monotonic()
            measure_round(bench, measured, number)
            took = time.monotonic() - began
            say(f"bench: round {number + 1} of {bench.effort.rounds}: {measured.row.key}, {took:.0f} s")
    for measured in everything:
        in_the_rows_order(measured)
    return everything


def cautions(rows: list[Measured], busy: bool, cpus: machine.Cpus) -> list[str]:
    realtime = [
        value for measured in rows for name in measured.rounds for value in measured.values(name, "realtime_client")
    ]
    said = {
        "the machine was busy at the start": busy,
        "server and client share the only CPU": not cpus.alone,
        "the client beside burning workers had no real-time priority": 0.0 in realtime,
    }
    return [text for text, holds in said.items() if holds]


def results_name(options: argparse.Namespace, effort: Effort, busy: bool, failed: list[str]) -> str:
    """results: only what the committed ones may be replaced by."""
    if options.quick:
        return "quick"
    is_whole = effort == FULL and options.rows is None and options.servers is None and options.build == BUILD
    return "results" if is_whole and not busy and not failed else "partial"


def raise_descriptors() -> int:
    """To as many as are allowed; how many that is."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def make_results_folder() -> None:
    """Before half an hour is spent on what cannot be written there."""
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=RESULTS):
        pass


def write(name: str, facts: dict[str, str], rows: list[Measured]) -> None:
    """All three or, if one cannot be made, none."""
    texts = {
        "json": json.dumps(report.as_json(facts, rows), indent=1) + "\n",
        "svg": chart.svg(facts, rows),
        "md": report.markdown(facts, rows, f"{name}.svg"),
    }
    for kind, text in texts.items():
        (RESULTS / f"{name}.{kind}").write_text(text)


def main() -> int:
    options = arguments()
    if options.check:
        return 0
    effort = effort_of(options)
    if not (options.build / "hoist").exists():
        sys.exit(f"bench: there is no {options.build}/hoist: ./dev bench builds it")
    rows = chosen_rows(options)
    allowed, needed = raise_descriptors(), descriptors_needed(effort)
    if allowed < needed and "memory" in [row.key for row in rows]:
        sys.exit(f"bench: memory needs {needed} descriptors, and {allowed} are allowed: ulimit -Hn, or other --rows")
    cpus = machine.Cpus.of_this_process()
    in_use = machine.cpus_in_use(machine.BUSY_S)
    facts = machine.facts(cpus, in_use)
    busy = in_use > machine.BUSY_CPUS
    if busy and not options.quick and not options.even_if_busy:
        sys.exit(f"bench: the machine is busy, {in_use:.2f} CPUs are in use: wait, or --even-if-busy")
    make_results_folder()
    facts["rounds"] = str(effort.rounds)
    facts["each load"] = f"{effort.ms} ms"

    began = time.monotonic()
    measured = measure_all(Bench(options.build.resolve(), cpus, effort), rows, options.servers)
    if warnings := cautions(measured, busy, cpus):
        facts["take care"] = "; ".join(warnings)
    facts["took"] = f"{time.monotonic() - began:.0f} s"
    failed = [one.row.key for one in measured if "hoist" in one.left_out]
    name = results_name(options, effort, busy, failed)
    try:
        write(name, facts, measured)
    finally:  # what was measured is seen in any case
        print("\n".join(report.section(one) for one in measured))
    say(f"bench: written to bench/results/{name}.md, .json and .svg")
    if failed:
        say(f"bench: hoist itself could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that servers are ended, too
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"bench: {error}")
