"""FastAPI: /dummy on the loop; `def` routes on anyio's threads, as many as the environment's WORKERS says."""

import os
import time

import anyio.to_thread
from fastapi import FastAPI

app = FastAPI()


@app.on_event("startup")
async def limit_threads() -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = int(os.environ["WORKERS"])


@app.get("/dummy")
async def dummy() -> dict[str, str]:
    return {"message": "async power"}


@app.get("/sleep/{ms}")
def sleep(ms: int) -> dict[str, int]:
    if ms > 0:
        time.sleep(ms / 1000)
    return {"slept_ms": ms}


@app.get("/spin/{ms}")
def spin(ms: int) -> dict[str, int]:
    until = time.thread_time() + ms / 1000
    while time.thread_time() < until:
        pass
    return {"spun_ms": ms}
