"""A forked process is like one that was started: its status, streams, folder and environment."""

import os

import pytest
from forked import run_python


@pytest.mark.parametrize(
    ("code", "status"), [("pass", 0), ("raise SystemExit(3)", 3), ("import sys; sys.exit()", 0)]
)
def test_status(code, status):
    assert run_python("-c", code).returncode == status


def test_folder_environment_arguments_and_streams(tmp_path, monkeypatch):
    monkeypatch.setenv("FREQFAKE_TEST", "here")
    code = (
        "import atexit, os, sys\n"
        "atexit.register(print, 'end')\n"
        "print(os.getcwd(), os.environ['FREQFAKE_TEST'], sys.argv[1:], sys.stdin.read() == '')\n"
        "print('aside', file=sys.stderr)\n"
    )
    done = run_python("-c", code, "a b", cwd=tmp_path)
    assert done.stdout == f"{os.path.realpath(tmp_path)} here ['a b'] True\nend\n"
    assert done.stderr == "aside\n"


def test_an_error_has_a_traceback():
    done = run_python("-c", "1 / 0")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_nothing_of_the_package_is_imported_beforehand():
    code = "import sys; print([name for name in sys.modules if name.startswith('freqfake')])"
    assert run_python("-c", code).stdout == "[]\n"


def test_random_numbers_differ():
    code = "import random, numpy; print(random.random(), numpy.random.rand())"
    one, other = (run_python("-c", code).stdout.split() for _ in range(2))
    assert one[0] != other[0]
    assert one[1] != other[1]
