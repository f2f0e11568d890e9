"""The page's requests: what is answered, and what is refused."""

import contextlib
import json
import re
import socket
import struct
import threading
import time
import zlib
from html import unescape
from urllib.parse import urlsplit

import pytest
from helpers import make_picture, run
from PIL import Image
from serving import running, until

from freqfake._text import printable

for package in ("starlette", "uvicorn", "jinja2", "matplotlib"):
    pytest.importorskip(package, reason="the page needs the extra web")

HOSTILE = "\"><img src=x onerror='window.hacked=1'><b>.png"


def files(served):
    """What the running program keeps on disk, without matplotlib's cache."""
    return [p.name for p in served.temporary.rglob("*") if "matplotlib" not in str(p)]


def rows(served):
    return served.ask("GET", "scores.csv")[2]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    Image.fromarray(make_picture(0, asynchrony=0.3, size=96)).save(folder / "small.png")
    return folder / "small.png"


def test_the_table_is_that_of_score(tmp_path, samples):
    """Byte for byte: pictures, a video, formulas, damaged and empty files, odd names."""
    texts = {"clip.mp4": b"\0\0\0\x18ftypmp42", "=1+1;2.png": b"no", "empty.jpg": b"",
             "raw.NEF": b"II*\0", "notes.txt": b"text", 'a"b,c.png': b"no"}  # fmt: skip
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, content in texts.items():
        (folder / name).write_bytes(content)
    for path in ("fake/mobilestylegan_201.webp", "real/chelsea.png"):
        (folder / path.rpartition("/")[2]).write_bytes((samples / path).read_bytes())
    Image.new("RGB", (1, 1)).save(folder / "dot.gif")
    paths = sorted(folder.iterdir())
    with running(tmp_path) as served:
        for path in paths:
            assert served.add(path)[0] == 201
        found = rows(served)
        headers = served.ask("GET", "scores.csv")[1]
    done = run("score", *(path.name for path in paths), "--out", "../s.csv", cwd=folder)
    assert done.returncode == 1
    assert found == (tmp_path / "s.csv").read_bytes()
    assert found.count(b"freqfake deep frames") == 1
    assert headers["Content-Disposition"] == 'attachment; filename="scores.csv"'


def undated(html):
    return re.sub(r"\d{4}-\d\d-\d\d (at )?\d\d:\d\d:\d\d", "", html)


@pytest.mark.parametrize("content", ["good", "damaged"])
def test_the_report_is_that_of_report(served, small, tmp_path, content):
    path = tmp_path / f"{content}.png"
    path.write_bytes(small.read_bytes() if content == "good" else b"no picture")
    run("report", path.name, "-o", "r.html", cwd=tmp_path)
    page = re.search(r'href="(reports/\d+)"', served.add(path)[1]["row"])[1]
    for _ in range(2):
        status, headers, html = served.ask("GET", page)
        assert status == 200
        assert undated(html.decode()) == undated((tmp_path / "r.html").read_text("utf-8"))
    assert headers["Content-Disposition"].startswith(f'inline; filename="{content}-')
    assert "sandbox" in headers["Content-Security-Policy"]


def test_the_answer_is_in_words(served, small):
    status, answer = served.add(small)
    assert status == 201
    assert answer["words"] == "small.png: inconclusive"
    assert "Inconclusive" in answer["row"]
    assert "<strong>" in answer["counts"]


def test_the_list_can_be_kept(served, small):
    served.add(small, "kept.png")
    status, headers, page = served.ask("GET", "pictures.html")
    assert status == 200
    assert headers["Content-Disposition"] == 'attachment; filename="pictures.html"'
    text = page.decode()
    assert "kept.png" in text
    assert "href=" not in text.replace('href="data:,"', "").replace('href="#content"', "")
    assert "connect-src" in text  # the policy is in the file, too


WITH_TOKEN = ["", "scores.csv", "pictures.html", "reports/0"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1",
                                  "127.0.0.1:1", "localhost", "127.0.0.2:{port}", "[::1]:{port}",
                                  "127.0.0.1:{port}.evil.example", ""])  # fmt: skip
def test_another_host_is_refused(served, host):
    host = host.format(port=served.host.partition(":")[2])
    for path in WITH_TOKEN:
        assert served.ask("GET", path, host=host)[0] == 421
    before = rows(served)
    assert served.send(b"x", "a.png", host=host, origin=f"http://{host}")[0] == 421
    assert rows(served) == before


def test_localhost_is_this_computer(served):
    host = served.host.replace("127.0.0.1", "localhost")
    assert served.ask("GET", "", host=host)[0] == 200
    status, _, _ = served.send(b"x", "local.png", host=host, origin=f"http://{host}")
    assert status == 201


@pytest.mark.parametrize("origin", [None, "null", "", "http://evil.example", "https://{host}",
                                    "http://{host}.evil.example", "http://{local}"])  # fmt: skip
def test_posts_of_another_origin_are_refused(served, origin):
    local = served.host.replace("127.0.0.1", "localhost")
    origin = origin and origin.format(host=served.host, local=local)
    before = rows(served)
    status, _, body = served.send(b"x", "a.png", origin=origin)
    assert (status, body) == (403, b"only the page of freqfake serve may send this")
    assert rows(served) == before


@pytest.mark.parametrize("path", ["/", "/scores.csv", "/wrong/", "/wrong/scores.csv",
                                  "/favicon.ico", "//", "/%2e%2e/etc/passwd"])  # fmt: skip
def test_without_the_token_nothing_is_there(served, path):
    assert served.ask("GET", path)[0] == 404


@pytest.mark.parametrize("path", ["nothing", "reports/", "reports/99999", "reports/-1",
                                  "reports/x", "reports/" + "9" * 5000, "reports/..%2fscores.csv",
                                  "reports/0/0", "../../etc/passwd"])  # fmt: skip
def test_what_does_not_exist(served, path):
    status, _, body = served.ask("GET", path)
    assert status == 404
    assert b"path," not in body


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("DELETE", "reports/0"), ("POST", ""),
                                              ("OPTIONS", "pictures"), ("GET", "pictures"),
                                              ("POST", "scores.csv"), ("TRACE", "")])  # fmt: skip
def test_wrong_methods(served, method, path):
    assert served.ask(method, path)[0] == 405


def test_every_answer_forbids_everything_else(served):
    asked = [served.ask("GET", path) for path in WITH_TOKEN]
    asked += [served.ask("GET", "/"), served.ask("GET", "", host="x"), served.ask("PUT", "")]
    asked += [served.send(b"x", "a.png"), served.send(b"x", "a.png", origin=None)]
    for status, headers, _ in asked:
        assert headers["X-Content-Type-Options"] == "nosniff", status
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "script-src 'unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers


def test_only_this_computer_can_connect(served):
    port = urlsplit(served.address).port
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    for address in (others | {"::1", "127.0.0.2"}) - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((address, port), 5):  # noqa: PT011
            pass


@pytest.mark.parametrize("name", [HOSTILE, "../../../etc/passwd", "/etc/shadow", "..", "a\r\nb.png",
                                  "a\0b.png", "\u202egpj.exe", "{{ 7 * 7 }}.png", "n" * 5000,
                                  'x"; filename="y.exe', "\x1b[31m.png", "con.png"])  # fmt: skip
def test_names_are_only_text(served, small, name):
    before = set(files(served))
    status, answer = served.add(small, name)
    assert status == 201
    new = set(files(served)) - before
    assert all(re.fullmatch(r"\d+(\.png)?", found) for found in new), new
    last = name.rpartition("/")[2]
    assert "<img src=x" not in answer["row"] + answer["words"].replace(HOSTILE, "")
    assert not re.search(r"[\x00-\x09\x1b\u202e\r]", answer["row"] + answer["words"])
    page = re.search(r'href="(reports/\d+)"', answer["row"])[1]
    status, headers, html = served.ask("GET", page)
    assert status == 200
    disposition = headers["Content-Disposition"]
    assert re.fullmatch(r'inline; filename="[a-z0-9-]+\.html"', disposition)
    assert printable(last[:100]) in unescape(html.decode())
    assert "/etc" not in html.decode()
    assert str(served.temporary) not in html.decode() + rows(served).decode()


def test_a_picture_needs_a_name(served):
    for path in ("pictures", "pictures?name=", "pictures?name=a/", "pictures?other=1"):
        status, _, body = served.ask("POST", path, b"x")
        assert (status, body[:36]) == (400, b"the name of the picture is missing: ")


def bomb(side=60000):
    """A PNG of some bytes that claims this many pixels a side."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10**7), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_a_row(served):
    status, _, body = served.send(bomb(), "bomb.png")
    assert status == 201
    assert "3600.0 megapixels are more than the limit of 134.2" in json.loads(body)["row"]
    assert b"bomb.png,,,,,,cannot read bomb.png: 3600.0 megapixels" in rows(served)


SMALL_LIMITS = """
import sys
from freqfake.pictures import limits
limits.MAX_BYTES = 100_000
from freqfake.serve import session
session.MAX_STORED, session.MAX_PICTURES = 150_000, 6
from freqfake.cli import program
sys.exit(program())
"""


def test_too_large_and_too_many(tmp_path, small):
    with running(tmp_path, "--max-pixels", "20000", code=SMALL_LIMITS) as served:
        status, _, body = served.send(bytes(3_000_000), "large.png")
        assert status == 201
        assert "reports/" not in json.loads(body)["row"]
        large = b'large.png,,,,,,"cannot read large.png: a file of 3 MB is above the limit of 0 MB'
        assert large in rows(served)
        assert not [name for name in files(served) if name.endswith(".png")]
        for n in range(2):
            assert served.send(bytes(90_000), f"{n}.png")[0] == 201
        status, _, body = served.send(bytes(90_000), "more.png")
        assert (status, body[:27]) == (507, b"a session has at most 0.0 G")
    other = tmp_path / "other"
    other.mkdir()
    with running(other, code=SMALL_LIMITS) as served:
        found = [served.send(b"x", f"{n}.png")[0] for n in range(8)]
        assert found == [201] * 6 + [507] * 2
        assert rows(served).count(b"\n") == 7
        assert b"6 pictures: save" in served.send(b"x", "y.png")[2]


@contextlib.contextmanager
def half_sent(served):
    """A connection over which half a picture was sent."""
    head = f"POST /{served.token}/pictures?name=half.png HTTP/1.1\r\nHost: {served.host}\r\n"
    head += f"Origin: {served.origin}\r\nContent-Length: 1000000\r\n\r\n"
    host, port = served.host.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + bytes(500_000))
        yield


def test_what_is_too_large_is_not_stored(tmp_path):
    with running(tmp_path, "--max-pixels", "20000", code=SMALL_LIMITS) as served, half_sent(served):
        until(lambda: any(served.temporary.rglob("0.png")))
        time.sleep(0.5)
        (path,) = served.temporary.rglob("0.png")
        assert path.stat().st_size <= 100_000


def test_an_upload_that_is_broken_off_leaves_nothing(served):
    before, table = set(files(served)), rows(served)
    with half_sent(served):
        pass
    for _ in range(100):
        assert served.ask("GET", "")[0] == 200
        if set(files(served)) == before:
            break
    assert set(files(served)) == before
    assert rows(served) == table


def test_many_at_once(served, small):
    """All are rows, each once; the page answers meanwhile."""
    data, done = small.read_bytes(), []
    names = [f"once-{n}.png" for n in range(12)]
    send = [
        threading.Thread(target=lambda n=n: done.append(served.send(data, n)[0])) for n in names
    ]
    for thread in send:
        thread.start()
    assert served.ask("GET", "")[0] == 200
    for thread in send:
        thread.join()
    assert done == [201] * 12
    table = rows(served).decode()
    assert sorted(re.findall(r"^once-\d+\.png", table, re.MULTILINE)) == sorted(names)


def test_raw_nonsense(served):
    """What is not HTTP at all is answered or cut off, and the page stays."""
    host, port = served.host.split(":")
    for data in (b"\0\xff" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n",
                 b"A" * 200_000, b"GET http://evil/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):  # fmt: skip
        with socket.create_connection((host, int(port)), 10) as connection:
            try:
                connection.sendall(data)
                answer = connection.recv(100)
            except ConnectionError:
                continue
            assert re.match(rb"HTTP/1.1 4\d\d|$", answer), data[:40]
    assert served.ask("GET", "")[0] == 200
