"""Real processes whose clock jumps: by 91 seconds, an hour back, and a year ahead and back."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests import fork_server
from tests.films import PROJECT, environment, make_films, serving
from tests.journeys.test_workers import until

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs a C compiler, on Linux"),
]
JUMPS = {
    "91 s ahead": 91,
    "right": 0,
    "an hour back": -3600,
    "an hour ahead": 3600,
    "a year ahead": 366 * 86400,
    "back": 0,
}
# Loaded before all other libraries: what tells the time of day adds the number of seconds that a file holds.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long *ahead;
static int (*real)(clockid_t, struct timespec *);
__attribute__((constructor)) static void start(void) {
  real = dlsym(RTLD_NEXT, "clock_gettime");
  int file = open(getenv("CLOCK_FILE"), O_RDONLY);
  void *found = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
  if (found != MAP_FAILED) ahead = found;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  now->tv_sec = found.tv_sec;
  now->tv_usec = found.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *now) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  if (now) *now = found.tv_sec;
  return found.tv_sec;
}
"""


def test_clocks_that_jump_stop_nothing(tmp_path: Path, fresh_store: Path) -> None:
    """Whatever the clock does, keys are repeated, slow clients waited for, limits hold, and monitoring continues."""
    (tmp_path / "shim.c").write_text(SHIM, encoding="utf-8")
    library, clock = tmp_path / "shim.so", tmp_path / "clock"
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "shim.c"), "-ldl"]
    subprocess.run(command, check=True)
    clock.write_bytes(struct.pack("q", 0))
    changed = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}
    limits = "rate_limit = 0.001\nrate_burst = 30\n[monitoring]\nevery_minutes = 0.05\n"
    films = make_films(tmp_path / "films", project=PROJECT + limits, store=fresh_store)
    films.call("train", "--champion")
    passes = tmp_path / "passes"
    with (
        passes.open("w", encoding="utf-8") as output,
        serving(films, fresh=True, **changed) as (address, _),
        fork_server.popen(
            [sys.executable, "-m", "tiltyard", "loop", "--json"],
            cwd=films.root,
            env={**environment(), **changed},
            stdout=output,
            fresh=True,
        ) as loop,
    ):
        body, sent = {"text": "a good film"}, {"Idempotency-Key": "one"}
        first = httpx.post(f"{address}/predict", json=body, headers=sent, timeout=60).json()["prediction_id"]
        try:
            for name, seconds in JUMPS.items():
                with contextlib.closing(_begin_request(address)) as slow:
                    with clock.open("r+b") as file:
                        file.write(struct.pack("q", seconds))
                    time.sleep(0.5)  # the server looks for slow clients now and then
                    slow.sendall(b"\r\n{}")
                    assert slow.recv(12) == b"HTTP/1.1 422", name
                again = httpx.post(f"{address}/predict", json=body, headers=sent, timeout=60)
                assert again.json()["prediction_id"] == first, name
                before = passes.read_text("utf-8").count('"pass"')
                until(lambda before=before: passes.read_text("utf-8").count('"pass"') > before, 120)  # type: ignore[misc]
            statuses = [httpx.post(f"{address}/predict", json=body, timeout=60).status_code for _ in range(60)]
            left = 30 - 1 - 2 * len(JUMPS)
            assert statuses.count(200) <= left + 1, "a clock that jumps gives nobody new tokens"
        finally:
            loop.terminate()
            loop.wait(timeout=90)
    films.call("predictions", "export", "--to", "all.jsonl")
    assert (films.root / "all.jsonl").read_text("utf-8").count(first) == 1


def _begin_request(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    )
    return connection
