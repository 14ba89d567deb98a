"""How each row is measured: one server, one round, some figures. Nothing here knows a goal.

Each function starts its server afresh, warms it, and takes CPU time and memory from the operating system. All loads are
those of the program load, which ends by itself; see load.c for what its options mean.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, ContextManager

import instructions
import load
from load import Answers
from machine import Cpus
from server import SERVERS, Launch, Running, ServerFailed, environment, free_port, get, resident_bytes, start

Figures = dict[str, float]

OFFLOADED = "/sleep/0"  # the handler that does nothing
PATIENCE_S = 60


@dataclass(frozen=True)
class Effort:
    """How long and how much."""

    rounds: int
    ms: int  # of one load
    warm_ms: int  # of the one before it, which does not count
    storm_ms: int  # of the overload
    idle_connections: int
    small_jobs: int


@dataclass(frozen=True)
class Bench:
    build: Path
    cpus: Cpus
    effort: Effort

    def serve(
        self, name: str, cpus: str, workers: int, *extra: str, port: int | None = None, connections: int | None = None
    ) -> ContextManager[Running]:
        return start(name, self.build, cpus, workers, *extra, port=port, connections=connections)

    def start_load(self, running: Running, path: str, cpus: str, *options: str) -> subprocess.Popen[str]:
        return load.start(self.build, running.port, path, cpus, *options)

    def load(self, running: Running, path: str, cpus: str, *options: str, ms: int | None = None) -> Answers:
        return load.finish(self.start_load(running, path, cpus, "-s", str(ms or self.effort.ms), *options))

    def warm(self, running: Running, cpus: str, *paths: str) -> None:
        for path in paths:
            self.start_load(running, path, cpus, "-s", str(self.effort.warm_ms)).communicate(timeout=PATIENCE_S)


def rate(answers: Answers) -> float:
    return float(answers["ok"] / answers["seconds"])


def in_ms(name: str, times: dict[str, float]) -> Figures:
    """idle_p99_ms and so on."""
    return {f"{name}_{share}_ms": us / 1e3 for share, us in times.items()}


def front(workers: int, *options: str) -> Callable[[Bench, str], Figures]:
    """/dummy from 64 connections, the server on one core."""

    def measure(bench: Bench, name: str) -> Figures:
        with bench.serve(name, bench.cpus.server, workers) as running:
            bench.warm(running, bench.cpus.client, "/dummy")
            before = running.cpu_seconds()
            answers = bench.load(running, "/dummy", bench.cpus.client, *options)
            cpu = running.cpu_seconds() - before
        return {
            "cpu_us": cpu / answers["answered"] * 1e6,
            "rps": rate(answers),
            "p50_us": answers["ok_us"]["p50"],
            "p99_us": answers["ok_us"]["p99"],
            "client_busy": answers["client_cpu_s"] / answers["seconds"],
        }

    return measure


def offload(one_core: bool) -> Callable[[Bench, str], Figures]:
    """A trivial handler on 4 workers against /dummy on the loop of the same server."""

    def measure(bench: Bench, name: str) -> Figures:
        cpus = (bench.cpus.server, bench.cpus.client) if one_core else (bench.cpus.both, bench.cpus.both)
        with bench.serve(name, cpus[0], 4) as running:
            bench.warm(running, cpus[1], OFFLOADED, "/dummy")
            inline = bench.load(running, "/dummy", cpus[1])
            before = running.cpu_seconds()
            answers = bench.load(running, OFFLOADED, cpus[1])
            cpu = running.cpu_seconds() - before
        return {
            "rps": rate(answers),
            "inline_rps": rate(inline),
            "kept": rate(answers) / rate(inline),
            "cpu_us": cpu / answers["answered"] * 1e6,
            "p99_us": answers["ok_us"]["p99"],
        }

    return measure


def added_latency(bench: Bench, name: str) -> Figures:
    """What the way to a worker and back adds for a client that is alone."""
    with bench.serve(name, bench.cpus.server, 4) as running:
        bench.warm(running, bench.cpus.client, OFFLOADED, "/dummy")
        inline = bench.load(running, "/dummy", bench.cpus.client, "-c", "1")["ok_us"]["p50"]
        offloaded = bench.load(running, OFFLOADED, bench.cpus.client, "-c", "1")["ok_us"]["p50"]
    return {"added_us": offloaded - inline, "inline_us": inline, "offloaded_us": offloaded}


def probe(bench: Bench, running: Running, ms: int) -> subprocess.Popen[str]:
    """/dummy 500 times a second, open loop, from a client that never waits for a CPU if the system allows it."""
    return bench.start_load(running, "/dummy", bench.cpus.both, "-s", str(ms), "-r", "500", "-c", "16", "-f")


def isolation(path: str) -> Callable[[Bench, str], Figures]:
    """/dummy while 64 clients keep 8 workers at it."""

    def measure(bench: Bench, name: str) -> Figures:
        ms = bench.effort.ms
        with bench.serve(name, bench.cpus.both, 8) as running:
            if get(running.port, path, PATIENCE_S) != 200:  # those that calibrate their work do so now
                raise ServerFailed(f"no 200 for {path}")
            idle = load.finish(probe(bench, running, ms))["ok_us"]
            burning = bench.start_load(running, path, bench.cpus.both, "-s", str(load.MS_MAX))
            time.sleep(0.5)
            probed = load.finish(probe(bench, running, ms), may_fail=True)
            burns = burning.poll() is None
            burning.kill()  # nobody wants its figures
            burning.communicate()
            if not burns:
                raise ServerFailed("the load beside the probe was over before it")
        return {
            **in_ms("idle", idle),
            **in_ms("busy", probed["ok_us"]),
            "failed": float(load.failed(probed)),
            "realtime_client": float(probed["realtime"]),
        }

    return measure


BURST, BURST_MS, BURST_WORKERS = 64, 100, 8  # jobs, of so long each, on so many workers


def makespan(bench: Bench, name: str) -> Figures:
    """64 jobs of 100 ms on 8 workers."""
    with bench.serve(name, bench.cpus.both, BURST_WORKERS) as running:
        bench.load(running, OFFLOADED, bench.cpus.both, "-n", str(BURST))
        answers = bench.load(running, f"/sleep/{BURST_MS}", bench.cpus.both, "-n", str(BURST), ms=PATIENCE_S * 1000)
    return beside_ideal(answers["seconds"])


def makespan_floor(bench: Bench, name: str) -> Figures:
    """The same sleeps on 8 bare threads."""
    return beside_ideal(bare_sleeps(bench, BURST_WORKERS, BURST, BURST_MS))


def beside_ideal(wall_s: float) -> Figures:
    return {"wall_s": wall_s, "wall_over_ideal": wall_s / (BURST / BURST_WORKERS * BURST_MS / 1000)}


def small_jobs(bench: Bench, name: str) -> Figures:
    """Jobs of 1 ms on 8 workers, from 256 connections."""
    jobs = bench.effort.small_jobs
    with bench.serve(name, bench.cpus.both, 8, *(("--queue", "1000") if name == "hoist" else ())) as running:
        bench.warm(running, bench.cpus.both, "/sleep/1")
        answers = bench.load(running, "/sleep/1", bench.cpus.both, "-c", "256", "-n", str(jobs), ms=PATIENCE_S * 1000)
    return {"jobs_per_s": rate(answers)}


def small_jobs_floor(bench: Bench, name: str) -> Figures:
    """The same sleeps on 8 bare threads."""
    jobs = bench.effort.small_jobs
    return {"jobs_per_s": jobs / bare_sleeps(bench, 8, jobs, 1)}


def bare_sleeps(bench: Bench, threads: int, jobs: int, ms: int) -> float:
    """The seconds that the sleeps take without a server."""
    program = str(bench.build / "bench/sleep_floor")
    command = ["taskset", "-c", bench.cpus.both, program, str(threads), str(jobs), str(ms)]
    return float(subprocess.check_output(command, timeout=3 * PATIENCE_S))


def hold(bench: Bench, running: Running, connections: int) -> int:
    """Resident bytes while so many connections are idle."""
    command = [str(bench.build / "bench/hold"), str(running.port), "/dummy", str(connections), str(PATIENCE_S)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stderr is not None and holder.stdin is not None
        if not holder.stdout.readline():
            raise ServerFailed(holder.stderr.read().decode().strip())
        time.sleep(0.1)
        resident = running.resident_bytes()
        holder.stdin.close()
    return resident


def descriptors_needed(effort: Effort) -> int:
    """By a server of idle_memory(), the most of all."""
    return effort.idle_connections + 200


def idle_memory(bench: Bench, name: str) -> Figures:
    """Per idle keep-alive connection, and per connection after all have left."""
    connections = bench.effort.idle_connections
    with bench.serve(name, bench.cpus.both, 4, connections=connections + 100) as running:
        hold(bench, running, 64)
        before = running.resident_bytes()
        held = hold(bench, running, connections)
        time.sleep(1)
        after = running.resident_bytes()
    return {"bytes_each": (held - before) / connections, "kept_bytes_each": (after - before) / connections}


def first_answer(bench: Bench, name: str) -> Figures:
    """From exec to the first 200, and resident memory then."""

    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(bench.build, Path(folder), free_port(), 8)
        command = [str(bench.build / "bench/start"), str(launch.port), "/dummy", *SERVERS[name].command(launch)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment(name, launch),
        )
        running = Running(process, launch.port)
        try:
            assert process.stdout is not None
            for line in process.stdout:  # the server may say something before
                fields = line.split()
                if len(fields) == 2 and fields[0].isdigit():
                    resident = running.resident_bytes() - resident_bytes(process.pid)
                    return {"first_200_ms": float(fields[1]) / 1e3, "resident_mib": resident / 2**20}
            raise ServerFailed("it did not answer")
        finally:
            running.kill()


def queue_growth(bench: Bench, name: str) -> Figures:
    """A step of the queue with 100,000 jobs waiting against one with 10."""
    command = ["taskset", "-c", bench.cpus.server, str(bench.build / "bench/queue_bench")]
    costs = json.loads(subprocess.check_output(command, timeout=PATIENCE_S))
    few, many = costs["10"], costs["100000"]
    figures: Figures = {
        f"{step}_growth": many[f"{step}_ns"] / few[f"{step}_ns"] for step in ("submit", "cancel", "finish")
    }
    figures["growth"] = max(figures.values())
    return figures | {key: float(value) for key, value in many.items()}


STORM_WORKERS, STORM_QUEUE, STORM_JOB_MS = 8, 256, 10


def overload(bench: Bench, name: str) -> Figures:
    """Four times the rate that 8 workers can serve with jobs of 10 ms, open loop, a client of /dummy beside it."""
    path, cpus, storm_s = f"/sleep/{STORM_JOB_MS}", bench.cpus.both, bench.effort.storm_ms / 1000
    probe_ms = min(bench.effort.ms, bench.effort.storm_ms // 2)
    with bench.serve(name, cpus, STORM_WORKERS, "--queue", str(STORM_QUEUE)) as running:
        capacity = rate(bench.load(running, path, cpus, "-c", "16"))
        idle = load.finish(probe(bench, running, probe_ms))["ok_us"]
        began = time.monotonic()
        storm = bench.start_load(
            running, path, cpus, "-s", str(bench.effort.storm_ms), "-r", str(int(4 * capacity)), "-c", "1000"
        )
        sleep_until(began + storm_s / 4)
        early = running.resident_bytes()
        busy = load.finish(probe(bench, running, probe_ms))["ok_us"]
        sleep_until(began + storm_s * 0.95)
        late = running.resident_bytes()
        sleep_until(began + storm_s)
        first_s = seconds_to_answer(running, path, PATIENCE_S)
        answers = load.finish(storm, may_fail=True)
    queue_s = STORM_QUEUE / capacity + STORM_JOB_MS / 1000  # a full one, and the job behind it
    return {
        "goodput": answers["ok"] / answers["seconds"] / capacity,
        "wrong": sum(answers[key] for key in ("late", "other", "broken", "unanswered", "without_retry_after")),
        "resident_growth": late / early,
        "dummy_over_idle": busy["p99"] / idle["p99"],
        "first_over_queue": first_s / queue_s,
        "first_after_ms": first_s * 1e3,
        "capacity_per_s": capacity,
        "offered_per_s": 4 * capacity,
        **in_ms("idle", idle),
        **in_ms("dummy", busy),
        **in_ms("ok", answers["ok_us"]),
        **in_ms("refused", answers["refused_us"]),
    }


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def seconds_to_answer(running: Running, path: str, timeout_s: float) -> float:
    """Until a request has a 200; one that has none in its time, or another status, is made again."""
    began = time.monotonic()
    while get(running.port, path, timeout_s) != 200:
        if time.monotonic() - began > PATIENCE_S:
            raise ServerFailed(f"no 200 for {path} within {PATIENCE_S} s")
        time.sleep(0.005)
    return time.monotonic() - began


def no_descriptors(bench: Bench, name: str) -> Figures:
    """CPU share of a server that has no descriptor left while 200 clients a second come and wait."""
    with bench.serve(name, bench.cpus.server, 4) as running:
        for pid in running.pids():
            used = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 16, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        clients: deque[socket.socket] = deque()
        keep_connecting(running.port, clients, 0.5)
        before, began = running.cpu_seconds(), time.monotonic()
        keep_connecting(running.port, clients, bench.effort.ms / 1000)
        share = (running.cpu_seconds() - before) / (time.monotonic() - began)
        for client in clients:
            client.close()
        recovered_s = seconds_to_answer(running, "/dummy", 1)
    return {"cpu_share": share, "recovered_ms": recovered_s * 1e3}


def keep_connecting(port: int, clients: deque[socket.socket], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        clients.append(client)
        if len(clients) > 100:
            clients.popleft().close()
        time.sleep(0.005)


def two_processes(bench: Bench, name: str) -> Figures:
    """/dummy from one process and from two that share the port, all on two cores together with the client."""
    cpus = bench.cpus.both
    with bench.serve(name, cpus, 4, "--reuseport") as one:
        bench.warm(one, cpus, "/dummy")
        alone = rate(bench.load(one, "/dummy", cpus))
        with bench.serve(name, cpus, 4, "--reuseport", port=one.port) as other:
            time.sleep(0.2)  # what answered was one or the other
            if other.process.poll() is not None:
                raise ServerFailed("a second process could not share the port")
            before = one.cpu_seconds(), other.cpu_seconds()
            together = rate(bench.load(one, "/dummy", cpus))
            shares = one.cpu_seconds() - before[0], other.cpu_seconds() - before[1]
    return {"one_rps": alone, "two_rps": together, "gain": together / alone, "smaller_share": min(shares) / sum(shares)}


def count_instructions(bench: Bench, name: str) -> Figures:
    return {case.key: float(instructions.per_request(bench.build, case)) for case in instructions.CASES}
