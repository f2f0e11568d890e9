"""Refuse what other pages and hosts could send, and forbid browsers to load or keep anything."""

import logging
import traceback
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .._text import printable

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "Content-Security-Policy": NOTHING,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address has the token
    "Cache-Control": "no-store",  # a browser's cache would outlive the session
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_log = logging.getLogger(__name__)


class Guard:
    """Passes on the requests of this computer's own page, and adds headers to all responses.

    - The Host must be ours: with DNS rebinding, a foreign page reaches this port under its name.
    - The Origin of all that is not GET or HEAD must be ours: any page can make a browser post here.

    Parameters
    ----------
    app : ASGI application
    port : int
    is_ending : callable
        Whether the program ends, so that its requests fail.
    """

    def __init__(self, app: ASGIApp, port: int, is_ending: Callable[[], bool]) -> None:
        self._app, self._is_ending = app, is_ending
        end = "" if port == 80 else f":{port}"  # as browsers write it
        self._hosts = frozenset(f"{name}{end}" for name in ("127.0.0.1", "localhost"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["Content-Security-Policy"] += "; frame-ancestors 'none'"
            await send(message)

        answer = self._refusal(scope["method"], Headers(scope=scope)) or self._app
        try:
            await answer(scope, receive, send_safe)
        except Exception:  # a bug; names in the traceback must not control a terminal
            if not self._is_ending():
                _log.error("\n".join(map(printable, traceback.format_exc().splitlines())))

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if host not in self._hosts:
            return PlainTextResponse("open the address that freqfake serve has printed", 421)
        if method not in ("GET", "HEAD") and headers.get("origin") != f"http://{host}":
            return PlainTextResponse("only the page of freqfake serve may send this", 403)
        return None
