"""The table: what is measured, on which servers, and what hoist is to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import instructions
import measure
from measure import Bench, Figures
from server import SERVERS

Measure = Callable[[Bench, str], Figures]


@dataclass(frozen=True)
class Column:
    """A figure that the report shows."""

    figure: str
    title: str
    digits: int = 0


@dataclass(frozen=True)
class Goal:
    """hoist's figure, at most or at least `bound`; with `against`, in ratio to that server's; with `of`, to that other
    figure, of hoist itself unless `against` says whose."""

    figure: str
    sense: str  # "at most" or "at least"
    bound: float
    against: str | None = None
    of: str | None = None

    def title(self, row: Row) -> str:
        names = {column.figure: column.title for column in row.columns}
        text = names[self.figure]
        if self.of is not None:
            text += f" / {names[self.of]}"
        if self.against is not None:
            text += f" / {row.label(self.against)}'s"
        return text

    def is_met_by(self, value: float) -> bool:
        return value <= self.bound if self.sense == "at most" else value >= self.bound


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    how: str
    servers: tuple[str, ...]
    measure: Measure
    columns: tuple[Column, ...]
    goals: tuple[Goal, ...]
    beside: dict[str, tuple[str, Measure]] = field(default_factory=dict)  # no servers: label, how it is measured
    once: bool = False  # the same in every round

    def subjects(self) -> list[str]:
        return [*self.servers, *self.beside]

    def measure_of(self, subject: str) -> Measure:
        return self.beside[subject][1] if subject in self.beside else self.measure

    def label(self, subject: str) -> str:
        return self.beside[subject][0] if subject in self.beside else SERVERS[subject].label


def times(name: str, title: str) -> tuple[Column, ...]:
    return tuple(Column(f"{name}_{share}_ms", f"{title} {share} ms", 2) for share in ("p50", "p99", "p99.9", "max"))


THREADED = ("hoist", "uv", "threads", "mhd", "go", "fastapi")

ROWS = (
    Row(
        "front",
        "/dummy, 64 keep-alive connections",
        "Server on one core, client on another; closed loop. CPU: user and system time of the server's processes.",
        ("hoist", "epoll", "uv", "nginx", "h2o", "mhd1", "go", "node", "fastapi", "flask"),
        measure.front(4),
        (
            Column("cpu_us", "CPU us/request", 2),
            Column("rps", "requests/s"),
            Column("p50_us", "p50 us"),
            Column("p99_us", "p99 us"),
        ),
        (Goal("cpu_us", "at most", 1.05, "epoll"), Goal("cpu_us", "at most", 0.90, "nginx")),
    ),
    Row(
        "pipelined",
        "/dummy, 16 requests pipelined on each of 64 connections",
        "The same with 16 requests in each write of the client.",
        ("hoist", "epoll", "uv", "nginx", "h2o", "mhd1", "go", "node"),
        measure.front(4, "-d", "16"),
        (
            Column("rps", "requests/s"),
            Column("cpu_us", "CPU us/request", 2),
            Column("client_busy", "client's CPU share", 2),
        ),
        (Goal("rps", "at least", 0.75, "epoll"),),
    ),
    Row(
        "offload1",
        "A handler that does nothing on 4 workers, server on one core",
        "/sleep/0 from 64 connections against /dummy, which the same server answers on its loop.",
        ("hoist", "uv", "threads", "go", "node", "fastapi"),
        measure.offload(True),
        (
            Column("rps", "requests/s"),
            Column("inline_rps", "inline requests/s"),
            Column("kept", "of inline", 2),
            Column("cpu_us", "CPU us/request", 1),
            Column("p99_us", "p99 us"),
        ),
        (Goal("kept", "at least", 0.9),),
    ),
    Row(
        "offload2",
        "The same on two cores",
        "Server and client share both.",
        ("hoist", "uv", "threads", "go", "node", "fastapi"),
        measure.offload(False),
        (
            Column("rps", "requests/s"),
            Column("inline_rps", "inline requests/s"),
            Column("kept", "of inline", 2),
            Column("cpu_us", "CPU us/request", 1),
            Column("p99_us", "p99 us"),
        ),
        (
            Goal("kept", "at least", 0.85),
            Goal("rps", "at least", 1.8, "uv"),
            Goal("rps", "at least", 3, "node"),
            Goal("rps", "at least", 15, "fastapi"),
        ),
    ),
    Row(
        "added",
        "What the way to a worker and back adds at 1 connection",
        "p50 of /sleep/0 less p50 of /dummy, server on one core, client on another.",
        ("hoist", "uv", "threads", "node", "fastapi"),
        measure.added_latency,
        (
            Column("added_us", "us more", 1),
            Column("inline_us", "inline p50 us", 1),
            Column("offloaded_us", "offloaded p50 us", 1),
        ),
        (Goal("added_us", "at most", 10),),
    ),
    Row(
        "isolation",
        "/dummy while 8 workers burn CPU for 64 clients",
        "/spin/200 in a closed loop; beside it /dummy 500 times a second, open loop, from when each should be sent.",
        ("hoist", "uv", "threads", "go", "node", "fastapi"),
        measure.isolation("/spin/200"),
        (Column("idle_p99_ms", "idle p99 ms", 2), *times("busy", "busy"), Column("failed", "without a 200")),
        (
            Goal("busy_p99_ms", "at most", 0.1, "node"),
            Goal("busy_p99_ms", "at most", 0.005, "go"),
            Goal("busy_p99_ms", "at most", 4, of="idle_p99_ms"),
            Goal("failed", "at most", 0),
        ),
    ),
    Row(
        "blocked",
        "/dummy while 8 workers block",
        "/sleep/100 instead of /spin/200: an upper bound of the loop's lag.",
        ("hoist",),
        measure.isolation("/sleep/100"),
        (Column("idle_p99_ms", "idle p99 ms", 2), *times("busy", "busy"), Column("failed", "without a 200")),
        (Goal("busy_p99_ms", "at most", 10), Goal("failed", "at most", 0)),
    ),
    Row(
        "makespan",
        "64 jobs of 100 ms on 8 workers",
        "64 connections ask once, at the same time. Ideal: 0.8 s. Bare threads do the same sleeps without a server.",
        THREADED,
        measure.makespan,
        (Column("wall_over_ideal", "wall / ideal", 4), Column("wall_s", "wall s", 3)),
        (Goal("wall_over_ideal", "at most", 1.004),),
        {"floor": ("bare threads", measure.makespan_floor)},
    ),
    Row(
        "small",
        "Jobs of 1 ms on 8 workers, 256 connections",
        "Against the same sleeps on 8 bare threads, without a server.",
        THREADED,
        measure.small_jobs,
        (Column("jobs_per_s", "jobs/s"),),
        (Goal("jobs_per_s", "at least", 0.97, "floor"),),
        {"floor": ("bare threads", measure.small_jobs_floor)},
    ),
    Row(
        "memory",
        "Memory per idle keep-alive connection",
        "Resident bytes of the server's processes with 10,000 of them (--quick: 1,000) less those with none; again "
        "when all have left.",
        ("hoist", "uv", "nginx", "mhd", "go", "node"),
        measure.idle_memory,
        (Column("bytes_each", "bytes each"), Column("kept_bytes_each", "bytes each, after they left")),
        (Goal("bytes_each", "at most", 500), Goal("kept_bytes_each", "at most", 100)),
    ),
    Row(
        "start",
        "Start with 8 workers",
        "From exec to the first 200; resident memory then.",
        ("hoist", "epoll", "uv", "nginx", "h2o", "mhd", "go", "node", "fastapi", "flask"),
        measure.first_answer,
        (Column("first_200_ms", "first 200 ms", 1), Column("resident_mib", "resident MiB", 1)),
        (Goal("first_200_ms", "at most", 3), Goal("resident_mib", "at most", 3)),
    ),
    Row(
        "queue",
        "A step of the queue, with 100,000 jobs waiting against 10",
        "pool/queue.c alone: submit and cancel at its end, take and finish at its head.",
        (),
        measure.queue_growth,
        (
            Column("growth", "largest growth", 2),
            Column("submit_ns", "submit ns", 1),
            Column("cancel_ns", "cancel ns", 1),
            Column("finish_ns", "finish ns", 1),
        ),
        (Goal("growth", "at most", 1.5),),
        {"hoist": ("hoist", measure.queue_growth)},
    ),
    Row(
        "overload",
        "Four times the rate that the workers can serve",
        "/sleep/10 on 8 workers and a queue of 256, open loop, 1000 connections; beside it /dummy 500 times a second. "
        "Wrong: neither a 200 within a second nor a 503 with Retry-After. As it ends, another client asks until it has "
        "a 200, against the time that a full queue takes at capacity.",
        ("hoist",),
        measure.overload,
        (
            Column("wrong", "wrong answers"),
            Column("capacity_per_s", "capacity, 200/s in a closed loop"),
            Column("offered_per_s", "offered/s"),
            Column("goodput", "200/s / capacity", 3),
            Column("resident_growth", "memory late / early in the storm", 3),
            Column("first_after_ms", "a 200 for who asks as it ends, ms", 1),
            Column("first_over_queue", "a 200 for who asks as it ends / time of a full queue", 3),
            Column("dummy_over_idle", "/dummy p99 / idle p99", 1),
            *times("idle", "/dummy idle"),
            *times("dummy", "/dummy"),
            *times("ok", "200"),
            *times("refused", "503"),
        ),
        (
            Goal("wrong", "at most", 0),
            Goal("goodput", "at least", 0.95),
            Goal("resident_growth", "at most", 1.02),
            Goal("dummy_over_idle", "at most", 4),
            Goal("first_over_queue", "at most", 1.1),
        ),
    ),
    Row(
        "descriptors",
        "No descriptor left, and 200 clients a second come",
        "The running server's limit is lowered from outside. CPU share of one core; the time until it serves again.",
        ("hoist", "uv", "nginx", "go", "node"),
        measure.no_descriptors,
        (Column("cpu_share", "CPU share", 3), Column("recovered_ms", "serves again after ms")),
        (Goal("cpu_share", "at most", 0.05),),
    ),
    Row(
        "processes",
        "Two processes with --reuseport",
        "/dummy from 64 connections; client and both processes share two cores.",
        ("hoist",),
        measure.two_processes,
        (
            Column("one_rps", "one process, requests/s"),
            Column("two_rps", "two, requests/s"),
            Column("gain", "gain", 2),
            Column("smaller_share", "CPU share of the idler one", 2),
        ),
        (),
    ),
    Row(
        "instructions",
        "Instructions per request, without the kernel's",
        "Counted by callgrind; CI holds the same bounds.",
        ("hoist",),
        measure.count_instructions,
        tuple(Column(case.key, case.title) for case in instructions.CASES),
        tuple(Goal(case.key, "at most", case.bound) for case in instructions.CASES),
        once=True,
    ),
)
