"""HTTP/1.1 on a line: h11 takes the octets apart, an ASGI application answers, the rig's time decides when.

The application sees a request when it has come whole, and what it does happens then; its answer leaves later
where somebody wants it so. Requests that come meanwhile on the same connection (pipelining) wait their turn.
What is no HTTP gets 400 and the end of the connection; a request that never becomes whole gets 408.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from http import HTTPStatus
from typing import cast

import h11

from virtual_rig.servers.asgi import AsgiApp, HttpRequest, HttpResponse, path_of, respond
from virtual_rig.servers.http_faults import NO_FAULTS, NONSENSE, HttpFaults
from virtual_rig.wire import HostLine, Scheduler, Timer

__all__ = ["NONSENSE", "HttpFaults", "HttpPort", "HttpRequest", "HttpResponse"]

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
REQUEST_TIMEOUT_S = 60.0
_MAX_PIPELINE_BYTES = MAX_BODY_BYTES + MAX_HEADER_BYTES
_NO_BODY = (204, 304)


@dataclass(kw_only=True, eq=False)
class _Conversation:
    """One connection and the request on it that is being taken or answered."""

    line: HostLine
    http: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
    )
    request: h11.Request | None = None
    body: bytearray = field(default_factory=bytearray)
    answering: bool = False
    waiting_bytes: int = 0  # behind the request that is being answered
    hurry: Timer | None = None
    over: bool = False


class HttpPort:
    """A server's port; a ``LineModel`` for any number of connections.

    ``app_or_factory`` is an ASGI application or makes one. Every answer takes ``answer_delay_s``, and what
    ``answer_after_s(request)`` says on top; it is asked after the application has dealt with the request.
    """

    def __init__(
        self,
        app_or_factory: AsgiApp | Callable[[], AsgiApp],
        rig: Scheduler,
        *,
        answer_delay_s: float = 0.0,
        answer_after_s: Callable[[HttpRequest], float] | None = None,
        faults: HttpFaults = NO_FAULTS,
        server_name: str = "MeterBench-rig",
    ) -> None:
        self.app = _app(app_or_factory)
        self.faults = faults
        self._rig, self._delay_s, self._answer_after_s = rig, answer_delay_s, answer_after_s
        self._server_name = server_name.encode("ascii")
        self._conversations: dict[HostLine, _Conversation] = {}

    # -- LineModel

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self._conversations[line] = _Conversation(line=line)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        talk = self._conversations.get(line)
        if talk is None or talk.over:
            return
        if talk.answering:
            talk.waiting_bytes += len(data)
            if talk.waiting_bytes > _MAX_PIPELINE_BYTES:
                self._end(talk)
                return
        talk.http.receive_data(data)
        self._go_on(talk)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``; TCP has no break."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``; an answer that was still to come is dropped."""
        talk = self._conversations.pop(line, None)
        if talk is not None:
            talk.over = True
            _calm(talk)

    # -- requests

    def _go_on(self, talk: _Conversation) -> None:
        """Take from the connection what is there, up to the end of the next request."""
        while not talk.answering and not talk.over:
            try:
                event = talk.http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(talk, error.error_status_hint, str(error))
                return
            if event is h11.NEED_DATA:
                if talk.http.client_is_waiting_for_100_continue:
                    going_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    talk.line.send(talk.http.send(going_on))
                self._hurry(talk)
                return
            match event:
                case h11.Request():
                    talk.request, talk.body = event, bytearray()
                    self._check_size(talk, event)
                case h11.Data():
                    talk.body += event.data
                    if len(talk.body) > MAX_BODY_BYTES:
                        self._refuse(talk, 413, f"a body of more than {MAX_BODY_BYTES} octets")
                case h11.EndOfMessage():
                    self._dispatch(talk)
                case h11.ConnectionClosed():  # pragma: no cover - the driver tells of it by ``closed``
                    self._end(talk)

    def _hurry(self, talk: _Conversation) -> None:
        """Give a request that has begun its time to become whole."""
        begun = talk.request is not None or bool(talk.http.trailing_data[0])
        if begun and talk.hurry is None:
            talk.hurry = self._rig.call_later(REQUEST_TIMEOUT_S, self._too_slow, talk)

    def _too_slow(self, talk: _Conversation) -> None:
        if not talk.over:
            self._refuse(talk, 408, f"no whole request within {REQUEST_TIMEOUT_S:g} s")

    def _check_size(self, talk: _Conversation, request: h11.Request) -> None:
        head = len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)
        if head > MAX_HEADER_BYTES:
            self._refuse(talk, 431, f"headers of more than {MAX_HEADER_BYTES} octets")
        for name, value in request.headers:
            if name == b"content-length" and int(value) > MAX_BODY_BYTES:
                self._refuse(talk, 413, f"a body of more than {MAX_BODY_BYTES} octets")

    def _dispatch(self, talk: _Conversation) -> None:
        assert talk.request is not None
        talk.answering, talk.waiting_bytes = True, 0
        _calm(talk)
        request = HttpRequest(
            method=talk.request.method.decode("latin-1"),
            path=path_of(talk.request.target),
            target=bytes(talk.request.target),
            headers=tuple((bytes(name), bytes(value)) for name, value in talk.request.headers),
            body=bytes(talk.body),
            http_version=talk.request.http_version.decode("latin-1"),
        )
        response = respond(self.app, request)
        delay_s = self._delay_s + self.faults.late_s
        if self._answer_after_s is not None:
            delay_s += self._answer_after_s(request)
        if delay_s > 0:
            self._rig.call_later(delay_s, self._late, talk, request, response)
        else:
            self._answer(talk, request, response)

    # -- answers

    def _late(self, talk: _Conversation, request: HttpRequest, response: HttpResponse) -> None:
        self._answer(talk, request, response)
        self._go_on(talk)

    def _answer(self, talk: _Conversation, request: HttpRequest, response: HttpResponse) -> None:
        if talk.over:
            return
        body = self.faults.garbled(response.body)
        head = talk.http.send(self._head(response, body))
        body = b"" if request.method == "HEAD" or response.status in _NO_BODY else body
        if body:
            talk.http.send(h11.Data(data=body))
        talk.http.send(h11.EndOfMessage())
        octets, ends = self.faults.on_the_wire(head, body)
        talk.line.send(octets)
        talk.answering, talk.request = False, None
        if ends or talk.http.our_state is not h11.DONE:
            self._end(talk)
        else:
            talk.http.start_next_cycle()

    def _refuse(self, talk: _Conversation, status: int, why: str) -> None:
        """Answer what is no request as far as one still can, and end the connection."""
        if talk.over:
            return
        if talk.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"detail": why}).encode()
            headers = ((b"content-type", b"application/json"), (b"connection", b"close"))
            head = talk.http.send(self._head(HttpResponse(status=status, headers=headers), body))
            is_head = talk.request is not None and talk.request.method == b"HEAD"
            talk.line.send(head if is_head else head + body)
        self._end(talk)

    def _head(self, response: HttpResponse, body: bytes) -> h11.Response:
        headers = [(name, value) for name, value in response.headers if name != b"content-length"]
        if response.status not in _NO_BODY:
            headers.append((b"content-length", b"%d" % len(body)))
        now = format_datetime(self._rig.utc_now().replace(microsecond=0), usegmt=True)
        headers += [(b"date", now.encode("ascii")), (b"server", self._server_name)]
        try:
            reason = HTTPStatus(response.status).phrase
        except ValueError:
            reason = ""
        return h11.Response(status_code=response.status, headers=headers, reason=reason.encode("ascii"))

    def _end(self, talk: _Conversation) -> None:
        talk.over = True
        _calm(talk)
        talk.line.close()


def _calm(talk: _Conversation) -> None:
    if talk.hurry is not None:
        talk.hurry.cancel()
        talk.hurry = None


def _app(app_or_factory: AsgiApp | Callable[[], AsgiApp]) -> AsgiApp:
    """Return the application; what can be called without arguments makes one."""
    try:
        inspect.signature(app_or_factory).bind()
    except TypeError:
        return cast(AsgiApp, app_or_factory)
    return cast(Callable[[], AsgiApp], app_or_factory)()
