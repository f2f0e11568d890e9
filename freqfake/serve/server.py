"""The server of the page, in a thread beside the program's own."""

import contextlib
import errno
import secrets
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._files import PathLike
from .._optional import extra

_HOST = "127.0.0.1"  # never another: the page shows private pictures to whoever can open it
_END = 1.0  # seconds for the requests when the program ends; a signal gives it two


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    address : str
        Of the page. It contains a random token, because other users of this computer can connect
        to the port, too: without the address they see nothing.
    """

    address: str
    _thread: threading.Thread

    def wait(self) -> None:
        """Wait until a signal raises KeyboardInterrupt."""
        while self._thread.is_alive():
            self._thread.join(0.5)  # without a limit, Windows would not let a signal in
        raise RuntimeError("the server has ended")


@contextlib.contextmanager
def serving(detector: PathLike = "faces", *, port: int = 0, max_pixels: int) -> Iterator[Server]:
    """Serve the page as long as the context is open.

    Parameters
    ----------
    detector : path
        What :func:`freqfake.load_detector` takes.
    port : int
        0 for any free one.
    max_pixels : int
        See :func:`freqfake.read_image`.

    Raises
    ------
    MissingExtraError
        The extra ``web`` is not installed.
    ModelFileError, ValueError
        The model or an option is wrong.
    OSError
        The port is in use.
    """
    with extra("web", "starlette", "uvicorn", "jinja2"):
        import uvicorn

        from .app import make_app
        from .guard import Guard
        from .session import open_session
    with extra("web", "matplotlib"):
        import matplotlib  # noqa: F401  (the reports need it)
    with open_session(detector, max_pixels=max_pixels) as session:
        listening = _listen(port)  # closed by the server's thread, maybe later than this context
        port = listening.getsockname()[1]
        worker, token = ThreadPoolExecutor(1), secrets.token_urlsafe(16)
        app = Guard(make_app(session, worker, token), port, lambda: server.should_exit)
        options = {"http": "h11", "ws": "none", "loop": "asyncio", "lifespan": "off"}
        quiet = {"log_config": None, "log_level": "critical", "access_log": False}
        about_us = {"server_header": False, "proxy_headers": False}
        server = uvicorn.Server(uvicorn.Config(app, **options, **quiet, **about_us))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield Server(f"http://{_HOST}:{port}/{token}/", thread)
        finally:
            server.should_exit = server.force_exit = True
            worker.shutdown(wait=False, cancel_futures=True)
            thread.join(_END)


def _listen(port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ValueError(f"--port must lie between 1 and 65535; got {port}")
    try:
        return socket.create_server((_HOST, port))
    except PermissionError:
        raise PermissionError(f"no permission to use port {port}; choose one above 1023") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"port {port} is in use; choose another, or leave out --port for a free one"
        raise OSError(message) from None
