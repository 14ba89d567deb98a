"""Servers: how each is started, and what the operating system says about one that runs.

Happy path: `with start(...) as running:`, which answers /dummy by then; at the end its whole session is killed.
Failures: ServerFailed with why it could not be started, or the last line that it said.
"""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterator

HERE = Path(__file__).parent
BODY = '{"message":"async power"}'
KEEP_ALIVE_MS = 120_000  # hoist's, as the peers have it: idle connections last as long as a row
NGINX_CONNECTIONS = 512  # what nginx takes by itself
START_S = 20
FASTAPI = "uvicorn, uvloop, httptools, fastapi"  # modules: uvicorn would go without the two in the middle


class ServerFailed(Exception):
    pass


@dataclass(frozen=True)
class Launch:
    """What a command line is made of."""

    build: Path  # of CMake
    folder: Path  # for this run's files
    port: int
    workers: int
    connections: int | None = None  # how many it must take at once, where that is more than usual
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Server:
    label: str
    command: Callable[[Launch], list[str]]
    missing: Callable[[Path], str | None]  # why it cannot be started, by the build folder
    environment: Callable[[Launch], dict[str, str]] | None = None  # what is added to ours


def program(name: str) -> Callable[[Path], str | None]:
    return lambda build: None if shutil.which(name) else f"{name} is not installed"


def built(name: str) -> Callable[[Path], str | None]:
    return lambda build: None if (build / name).exists() else f"{name} was not built: what it needs is not installed"


@functools.cache
def python_with(modules: str) -> str | None:
    """An interpreter that knows the modules: this one, or the system's."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", f"import {modules}"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def module(names: str) -> Callable[[Path], str | None]:
    return lambda build: None if python_with(names) else f"Python does not have all of {names}"


def from_template(launch: Launch, name: str, **more: str) -> str:
    """A configuration file, filled in."""
    text = (HERE / "servers" / name).read_text()
    (launch.folder / "dummy.json").write_text(BODY)
    path = launch.folder / name
    marks = {
        "PORT": launch.port,
        "FOLDER": launch.folder,
        "CONNECTIONS": launch.connections or NGINX_CONNECTIONS,
        **more,
    }
    for mark, value in marks.items():
        text = text.replace(f"@{mark}@", str(value))
    path.write_text(text)
    return str(path)


def hoist(launch: Launch) -> list[str]:
    return [
        str(launch.build / "hoist"),
        "--port",
        str(launch.port),
        "--admin",
        "127.0.0.1:0",
        "--workers",
        str(launch.workers),
        "--keep-alive-ms",
        str(KEEP_ALIVE_MS),
        "--header-timeout-ms",  # which is also for a connection's first byte
        str(KEEP_ALIVE_MS),
        *(("--max-connections", str(launch.connections)) if launch.connections else ()),
        *launch.extra,
    ]


def h2o(launch: Launch) -> list[str]:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ServerFailed(f"user {os.geteuid()} has no name") from None
    return ["h2o", "-c", from_template(launch, "h2o.conf", USER=user)]


def fastapi(launch: Launch) -> list[str]:
    return [
        python_with(FASTAPI) or "python3",
        "-m",
        "uvicorn",
        "--app-dir",
        str(HERE / "servers"),
        "--host",
        "127.0.0.1",
        "--port",
        str(launch.port),
        "--no-access-log",
        "--log-level",
        "warning",
        "--timeout-keep-alive",
        str(KEEP_ALIVE_MS // 1000),
        "fastapi_app:app",
    ]


def uv(handover: str) -> Callable[[Launch], list[str]]:
    return lambda launch: [str(launch.build / "bench/uv"), str(launch.port), str(launch.workers), handover]


def mhd(launch: Launch) -> list[str]:
    return [str(launch.build / "bench/mhd"), str(launch.port), str(launch.workers)]


SERVERS: dict[str, Server] = {
    "hoist": Server("hoist", hoist, built("hoist")),
    "epoll": Server("bare epoll", lambda l: [str(l.build / "bench/epoll"), str(l.port)], built("bench/epoll")),
    "uv": Server("libuv + llhttp, uv_queue_work", uv("queue_work"), built("bench/uv")),
    "threads": Server("libuv + llhttp, own threads", uv("threads"), built("bench/uv")),
    "nginx": Server(
        "nginx", lambda l: ["nginx", "-e", "stderr", "-c", from_template(l, "nginx.conf")], program("nginx")
    ),
    "h2o": Server("h2o", h2o, program("h2o")),
    "mhd": Server("libmicrohttpd", mhd, built("bench/mhd")),
    "mhd1": Server("libmicrohttpd, 1 thread", lambda l: mhd(replace(l, workers=1)), built("bench/mhd")),
    "go": Server("Go net/http", lambda l: [str(l.build / "bench/go"), str(l.port), str(l.workers)], built("bench/go")),
    "node": Server(
        "node",
        lambda l: ["node", str(HERE / "servers/node.js"), str(l.port)],
        program("node"),
        lambda l: {"UV_THREADPOOL_SIZE": str(l.workers)},
    ),
    "fastapi": Server("FastAPI on uvicorn", fastapi, module(FASTAPI), lambda l: {"WORKERS": str(l.workers)}),
    "flask": Server(
        "Flask",
        lambda l: [python_with("flask") or "python3", str(HERE / "servers/flask_app.py"), str(l.port)],
        module("flask"),
    ),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A server, or any other command, that runs in a session of its own."""

    process: subprocess.Popen[bytes]
    port: int

    def pids(self) -> list[int]:
        """Of all its processes."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue  # gone meanwhile
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    found.append(int(entry.name))
        return found

    def cpu_seconds(self) -> float:
        """User and system time of its threads, also of those that ended: each process's CPU clock."""
        return sum(time.clock_gettime(cpu_clock(pid)) for pid in self.pids())

    def resident_bytes(self) -> int:
        return sum(resident_bytes(pid) for pid in self.pids())

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nobody is left of its session
        self.process.wait()


def cpu_clock(pid: int) -> int:
    """clock_getcpuclockid(3), which Python lacks."""
    return (~pid << 3) | 2


def resident_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Rss:"))


def command_line(name: str, launch: Launch, cpus: str) -> list[str]:
    """Dies with us, on its CPUs."""
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", cpus, *SERVERS[name].command(launch)]


def environment(name: str, launch: Launch) -> dict[str, str]:
    added = SERVERS[name].environment
    return {**os.environ, **(added(launch) if added else {})}


@contextmanager
def start(
    name: str,
    build: Path,
    cpus: str,
    workers: int,
    *extra: str,
    port: int | None = None,
    connections: int | None = None,
) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(build, Path(folder), port or free_port(), workers, connections, extra)
        said = Path(folder) / "said"
        with said.open("wb") as output:
            process = subprocess.Popen(
                command_line(name, launch, cpus),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment(name, launch),
            )
        running = Running(process, launch.port)
        try:
            wait_until_it_answers(running, said)
            yield running
        finally:
            running.kill()


def wait_until_it_answers(running: Running, said: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and running.process.poll() is None:
        if get(running.port, "/dummy", START_S) == 200:
            return
        time.sleep(0.005)
    lines = said.read_text(errors="replace").strip().splitlines()
    if running.process.poll() is not None:
        raise ServerFailed(lines[-1] if lines else "it ended without a word")
    said_last = f", and said last: {lines[-1]}" if lines else ""
    raise ServerFailed(f"it did not answer /dummy with a 200 within {START_S} s{said_last}")


def get(port: int, path: str, timeout_s: float) -> int:
    """The status of one request, the same bytes that load sends, on a connection of its own; 0: no answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            status = client.recv(4096).split(b" ", 2)
            return int(status[1]) if len(status) > 1 else 0
    except (OSError, ValueError):
        return 0
