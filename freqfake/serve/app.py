"""The requests of the page: add a picture, show the session, save it."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from ..report.batch import Listed, page_name
from .guard import NOTHING
from .pages import policy, row_parts, saved_page, session_page
from .session import Session, Upload, plain_name

_RECEIVED_AT_ONCE = 4  # pictures; others wait, so that few are stored but not yet listed
_REPORT_POLICY = f"{NOTHING}; img-src data:; style-src 'unsafe-inline'; sandbox"
Result = TypeVar("Result")


class Requests:
    """Answers requests about a session.

    Parameters
    ----------
    session : Session
    worker : Executor
        With one thread: scoring several pictures at once would multiply the memory.
    """

    def __init__(self, session: Session, worker: Executor) -> None:
        self._session, self._worker = session, worker
        self._receiving = asyncio.Semaphore(_RECEIVED_AT_ONCE)

    async def show(self, request: Request) -> Response:
        """Show the page."""
        page = session_page(self._session.rows, self._session.model)
        return HTMLResponse(page, headers={"Content-Security-Policy": policy("page.js")})

    async def add(self, request: Request) -> Response:
        """Score the picture in the body of the request.

        It is not in a form: so its name and size need no parsing, it is stored only once, and no
        other page can send it without asking (CORS).
        """
        name = plain_name(request.query_params.get("name", ""))
        if not name:
            raise HTTPException(400, "the name of the picture is missing: pictures?name=...")
        async with self._receiving:
            try:
                row = await self._receive(request, name)
            except ClientDisconnect:
                return PlainTextResponse("not received completely", 400)
            except OSError as error:  # most likely a full disk
                raise HTTPException(507, f"cannot be stored: {error.strerror or error}") from None
        return JSONResponse(row_parts(self._session.rows, row), 201)

    async def report(self, request: Request) -> Response:
        """Show the report on a picture."""
        number = request.path_params["number"]
        html = await self._work(functools.partial(self._session.report, number))
        if html is None:
            raise HTTPException(404, "no such report")
        name = page_name(self._session.name(number))  # of letters, digits and hyphens
        about = {
            "Content-Security-Policy": _REPORT_POLICY,
            "Content-Disposition": f'inline; filename="{name}"',
        }
        return HTMLResponse(html, headers=about)

    async def table(self, request: Request) -> Response:
        """Save the table of scores."""
        about = {"Content-Disposition": 'attachment; filename="scores.csv"'}
        return Response(self._session.table(), media_type="text/csv", headers=about)

    async def index(self, request: Request) -> Response:
        """Save the list of the pictures as a page."""
        page = saved_page(self._session.rows, self._session.model)
        about = {"Content-Disposition": 'attachment; filename="pictures.html"'}
        return HTMLResponse(page, headers={**about, "Content-Security-Policy": policy("sort.js")})

    async def _receive(self, request: Request, name: str) -> Listed:
        full = self._session.why_full()
        upload = None if full else self._session.receive(name)
        try:
            # A browser reads the answer only after it has sent all.
            async for data in request.stream():
                if upload is not None:
                    self._session.add(upload, data)
        except BaseException:
            if upload is not None:
                self._session.discard(upload)
            raise
        if upload is None:
            raise HTTPException(507, full)
        return await self._score(upload)

    async def _score(self, upload: Upload) -> Listed:
        return await self._work(functools.partial(self._session.score, upload))

    async def _work(self, job: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, job)


def make_app(session: Session, worker: Executor, token: str) -> Starlette:
    """Make the application; every path begins with the token."""
    requests = Requests(session, worker)
    routes = [
        Route("/", requests.show),
        Route("/pictures", requests.add, methods=["POST"]),
        Route("/reports/{number}", requests.report),
        Route("/scores.csv", requests.table),
        Route("/pictures.html", requests.index),
    ]
    return Starlette(routes=[Mount(f"/{token}", routes=routes)])
