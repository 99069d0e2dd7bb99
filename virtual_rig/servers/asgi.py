"""Drives an ASGI application by hand: one request, one answer, no event loop and no thread.

An endpoint of the rig computes and returns; it never waits for anything real, since virtual time stands
still while it runs. So one ``send(None)`` takes its coroutine to the end. An endpoint that does wait (by an
``await`` of something real, or as a plain ``def`` endpoint or dependency, which FastAPI hands to a thread
pool) is a mistake in the rig and told as one. What takes virtual time is a later answer (``HttpPort``) or a
job to be asked about.

FastAPI is imported only here and only when an application is made: it takes longer than all the rest.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from adapters.errors import BenchError

if TYPE_CHECKING:
    from fastapi import FastAPI

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

_WAITS = (
    "an endpoint of the rig computes and returns: declare it and its dependencies `async def`, "
    "await nothing real, and let the port or a job take virtual time"
)


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request as it came; ``headers`` have lower-case names, ``path`` is unescaped."""

    method: str
    path: str
    target: bytes  # path and query as on the wire
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    http_version: str = "1.1"

    def header(self, name: str) -> str:
        """Return the first header called ``name`` (lower case), or nothing."""
        wanted = name.encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), "")


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """What the application answers."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def new_app(title: str, *, version: str = "1", description: str = "") -> FastAPI:
    """Return a FastAPI application whose ``/openapi.json`` works; its pages, which need the net, are off.

    What is wrong with a request is answered (422) without repeating the request: FastAPI's own answer cannot
    repeat octets that are no text, and would repeat secrets.
    """
    from fastapi import FastAPI, Request, Response
    from fastapi.exceptions import RequestValidationError

    async def not_valid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        said = [{key: problem[key] for key in ("type", "loc", "msg")} for problem in error.errors()]
        body = json.dumps({"detail": said})  # ASCII, whatever a key of the request was made of
        return Response(body, status_code=422, media_type="application/json")

    return FastAPI(
        title=title,
        version=version,
        description=description,
        docs_url=None,
        redoc_url=None,
        exception_handlers={RequestValidationError: not_valid},
    )


def respond(app: AsgiApp, request: HttpRequest) -> HttpResponse:
    """Return what ``app`` answers to ``request``; HEAD is asked as GET, whose body then stays away.

    Raises BenchError for an endpoint that waits, and whatever an endpoint raises that is no answer.
    """
    exchange = _Exchange(request)
    coroutine: Any = app(exchange.scope(), exchange.receive, exchange.send)
    where = f"{request.method} {request.path} of the rig"
    try:
        coroutine.send(None)
    except StopIteration:
        return exchange.response(where)
    except RuntimeError as error:
        if "event loop" in str(error):  # asyncio and anyio, asked for a thread, a lock or a sleep
            raise BenchError(f"{where} waits; {_WAITS}") from error
        raise
    coroutine.close()
    raise BenchError(f"{where} waits; {_WAITS}")


@dataclass(kw_only=True)
class _Sent:
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False


class _Exchange:
    """One request as the application receives it, and the answer as it sends it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request, self._taken, self._sent = request, False, _Sent()

    def scope(self) -> dict[str, Any]:
        """Return the ASGI scope."""
        request = self._request
        raw_path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.http_version,
            "method": "GET" if request.method == "HEAD" else request.method,
            "scheme": "http",
            "path": request.path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": None,  # its port is the kernel's choice, and no two runs have the same
            "server": None,
        }

    async def receive(self) -> Message:
        """Hand over the whole body at once."""
        if self._taken:
            return {"type": "http.disconnect"}
        self._taken = True
        return {"type": "http.request", "body": self._request.body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            headers: Mapping[bytes, bytes] | Any = message.get("headers", ())
            self._sent.status = int(message["status"])
            self._sent.headers = tuple((bytes(name).lower(), bytes(value)) for name, value in headers)
        elif message["type"] == "http.response.body":
            self._sent.body += message.get("body", b"")
            self._sent.whole = not message.get("more_body", False)

    def response(self, where: str) -> HttpResponse:
        """Return the whole answer. Raises BenchError where the application gave none."""
        if not self._sent.whole:
            raise BenchError(f"{where} ended without a whole answer")
        return HttpResponse(status=self._sent.status, headers=self._sent.headers, body=bytes(self._sent.body))


def path_of(target: bytes) -> str:
    """Return the unescaped path of a request target in origin or absolute form."""
    raw = target.partition(b"?")[0]
    if not raw.startswith(b"/") and b"://" in raw:
        raw = b"/" + raw.partition(b"://")[2].partition(b"/")[2]
    return unquote(raw.decode("latin-1"), errors="replace")
