"""The program as a user starts it, and requests as a browser or somebody else sends them."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from helpers import COMMAND


@dataclass
class Served:
    """A running `freqfake serve`."""

    address: str
    process: subprocess.Popen
    temporary: Path  # where it may write

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    @property
    def token(self) -> str:
        return urlsplit(self.address).path.strip("/")

    def ask(self, method, path, body=None, *, host=None, origin="ours", **headers):
        """Status, headers and body of the answer; `path` follows the token, unless it has a /."""
        headers["Host"] = self.host if host is None else host
        if origin is not None:
            headers["Origin"] = self.origin if origin == "ours" else origin
        connection = http.client.HTTPConnection(self.host, timeout=120)
        with contextlib.closing(connection):
            target = path if path.startswith("/") else f"/{self.token}/{path}"
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def add(self, path: Path, name: str | None = None) -> tuple[int, dict]:
        status, _, body = self.send(path.read_bytes(), path.name if name is None else name)
        return status, json.loads(body)

    def send(self, data, name, **options):
        return self.ask("POST", f"pictures?name={quote(name)}", data, **options)


def start(temporary: Path, *arguments: str, code: str = "", browser: bool = False) -> Served:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    program = [sys.executable, "-c", code] if code else COMMAND
    command = [*program, "serve", *([] if browser else ["--no-browser"]), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if os.name == "posix":  # a shell makes background programs ignore Ctrl-C
        pipes["preexec_fn"] = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, env=environment, cwd=temporary.parent, **pipes)
    address = process.stdout.readline().strip()
    if not address:
        pytest.fail(process.communicate()[1])
    return Served(address, process, temporary)


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **options) -> Iterator[Served]:
    temporary = folder / "temporary"
    temporary.mkdir()
    served = start(temporary, *arguments, **options)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.communicate()


def until(
    check: Callable[[], object], about: Callable[[], str] = str, seconds: float = 120
) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} seconds: {about()}")
        time.sleep(0.05)
