"""The program in its process, and the signals that end it: Ctrl-C, SIGTERM and SIGHUP.

A signal raises KeyboardInterrupt, so that files are closed and removed as usual. Where an exception
would be lost or turned into another, the process ends at once instead.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_GRACE = 2.0  # seconds; the exception may wait for a decoder, and must not for ever
_received: list[int] = []  # the first of these signals
_told = threading.Lock()  # held once the user was told


def program() -> int:
    """Run the command line of the process, and return its exit status."""
    try:
        _heed_signals()
        from .commands import main

        status = main()
        _finish()
    except KeyboardInterrupt:
        return interrupted()
    return status


def interrupted() -> int:
    """Tell once which signal ended the run, and return the exit status that says so."""
    number = _received[0] if _received else signal.SIGINT
    if _told.acquire(blocking=False):
        name = signal.Signals(number).name
        words = "interrupted" if number == signal.SIGINT else f"ended by {name}"
        if sys.__stderr__ is not None:  # else 2 is another file
            with contextlib.suppress(OSError):  # the terminal may be gone
                os.write(2, f"freqfake: {words}\n".encode())
    return 128 + number


@contextlib.contextmanager
def over_errors() -> Iterator[None]:
    """Report a signal as the end of the run, not an error that it caused."""
    try:
        yield
    except Exception as error:
        if _received:
            raise KeyboardInterrupt from error
        raise


def _heed_signals() -> None:
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, _end)
    sys.unraisablehook = _end_or_report
    if os.name == "posix":
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=_end_late, args=(reader,), daemon=True).start()


def _finish() -> None:
    """Let Ctrl-C not disturb the end of a program that has done its work, and others end it now."""
    for number in ENDING:
        if signal.getsignal(number) == _end:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    """Handle a signal; those that follow change nothing, since `timeout` sends two."""
    if _received:
        return
    _received.append(number)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _end_at_once()  # modules in C may turn the exception into an ImportError
        frame = frame.f_back
    raise KeyboardInterrupt


def _end_or_report(lost: "sys.UnraisableHookArgs") -> None:
    """End the process if its end was raised where Python ignores exceptions."""
    if _received and issubclass(lost.exc_type, KeyboardInterrupt):
        _end_at_once()
    sys.__unraisablehook__(lost)


def _end_at_once() -> None:
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # closed, or in the midst of it
        sys.stdout.flush()
    os._exit(interrupted())


def _end_late(reader: int) -> None:
    """End the process if it still runs some seconds after a signal.

    Python tells of a signal through the pipe `reader` at once, but calls its handler only between
    two steps of the main thread.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # they must wake the main thread
    while (number := os.read(reader, 1)[0]) not in ENDING:
        pass
    time.sleep(_GRACE)
    message = threading.Thread(target=interrupted, daemon=True)  # may wait for a full pipe
    message.start()
    message.join(0.2)
    os._exit(128 + number)
