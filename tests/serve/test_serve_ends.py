"""The beginning and the end of `freqfake serve`: its messages, its status, nothing left."""

import contextlib
import http.client
import os
import signal
import socket
import sys
import threading
import time

import pytest
from helpers import make_picture, posix, run
from PIL import Image
from serving import running

for package in ("starlette", "uvicorn", "jinja2", "matplotlib"):
    pytest.importorskip(package, reason="the page needs the extra web")

WORDS = {"SIGINT": "interrupted", "SIGTERM": "ended by SIGTERM", "SIGHUP": "ended by SIGHUP"}


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A picture that takes longer to score than the program may take to end."""
    path = tmp_path_factory.mktemp("slow") / "slow.png"
    Image.fromarray(make_picture(0, asynchrony=0.3, size=3000)).save(path, compress_level=0)
    return path


@posix
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("name", WORDS)
def test_a_signal_ends_it_and_nothing_is_left(tmp_path, slow, name, busy):
    with running(tmp_path) as served:
        served.send(b"x", "a.png")
        served.ask("GET", "reports/0")
        if busy:
            work = threading.Thread(target=_send_until_the_end, args=(served, slow))
            work.start()
            while not list(served.temporary.glob("freqfake-*/1.png")):
                time.sleep(0.01)
            time.sleep(0.5)
        assert list(served.temporary.glob("freqfake-*/scores.csv"))
        begun = time.monotonic()
        os.kill(served.process.pid, getattr(signal, name))
        messages = served.process.communicate(timeout=60)[1]
        took = time.monotonic() - begun
        if busy:
            work.join()
        assert served.process.returncode == 128 + getattr(signal, name)
        assert "Traceback" not in messages, messages
        assert messages.splitlines()[1:] == [f"freqfake: {WORDS[name]}"]
        assert list(served.temporary.iterdir()) == []
        assert took < 10  # on a busy machine; 2 otherwise


def _send_until_the_end(served, path):
    with contextlib.suppress(OSError, http.client.HTTPException):  # the answer may be cut off
        served.send(path.read_bytes(), path.name)


def test_a_port_that_is_in_use(tmp_path):
    with running(tmp_path) as served:
        port = served.host.partition(":")[2]
        done = run("serve", "--no-browser", "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"freqfake: error: port {port} is in use; choose another, or leave out --port for a free "
        "one\n"
    )


def test_the_port_can_be_chosen(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(tmp_path, "--port", str(port), "--model", "lewoo") as served:
        assert served.address.startswith(f"http://127.0.0.1:{port}/")
        assert b"lewoo" in served.ask("GET", "")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], "--port must lie between 1 and 65535; got 70000"),
        (["--port", "-1"], "--port must lie between 1 and 65535; got -1"),
        (["--port", "x"], "argument --port: invalid int value: 'x'"),
        (["--host", "0.0.0.0"], "unrecognized arguments: --host 0.0.0.0"),
        (["--model", "none.safetensors"], "none.safetensors"),
    ],
)
def test_wrong_options(arguments, words):
    done = run("serve", "--no-browser", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_every_address_is_another(tmp_path):
    tokens = set()
    for n in range(2):
        (tmp_path / str(n)).mkdir()
        with running(tmp_path / str(n)) as served:
            tokens.add(served.token)
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 22  # 128 bits


@posix
def test_the_browser_is_opened(tmp_path, monkeypatch):
    """By Python's `webbrowser`, with the address that is printed."""
    opened, script = tmp_path / "opened", tmp_path / "browser"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(opened)!r}, 'w').write(sys.argv[1])\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(script))
    with running(tmp_path, browser=True) as served:
        for _ in range(100):
            if opened.exists() and opened.read_text():
                break
            time.sleep(0.1)
        assert opened.read_text() == served.address
