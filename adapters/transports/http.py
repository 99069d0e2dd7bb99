"""HTTP for adapters: httpcore speaks it, our own transport carries every octet, the clock does the waiting.

One client has one base address and keeps one connection between requests. httpcore's pool is left out: it
would wait on the operating system's clock, and it hides what lies behind an answer. A second answer to one
request must not pass for the answer to the next: octets nobody asked for end the connection and are an error,
whenever they are seen, with the answer or before the next request is sent.

A request is repeated only where that is harmless: a GET, HEAD or OPTIONS on a kept connection that the server
closed before one octet of an answer, once, on a fresh connection. Redirects are answers and not followed. No
proxy, no cookie and no environment variable is looked at.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn, Protocol

import httpcore

from adapters.base import ByteStream, Clock, Tap
from adapters.errors import (
    BenchError,
    LinkLost,
    LocalProtocolError,
    ReadTimeout,
    RemoteProtocolError,
    WriteError,
    WriteTimeout,
)
from adapters.transports.http_answer import HttpAnswer
from adapters.transports.http_connection import HttpConnection, NotAsked, Octets, TooMuch
from adapters.transports.http_request import BaseAddress, Query, compose
from adapters.transports.stream import NoTap
from adapters.transports.tcp import TcpTransport
from adapters.transports.tls import TlsStream, client_context

DEFAULT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


class Hidden(Protocol):
    """What keeps a secret until it is needed (see ``adapters.registry.Secret``)."""

    def reveal(self) -> bytes:
        """Return the secret's bytes."""
        ...


class HttpClient:
    """Requests to one server, one after the other."""

    def __init__(
        self, *, base: BaseAddress, clock: Clock, tap: Tap, timeout_s: float, tls: ssl.SSLContext | None
    ) -> None:
        self.name = str(base)
        self._base, self._clock, self._tap, self._timeout_s = base, clock, tap, timeout_s
        self._tls = tls
        self._token: Hidden | None = None
        self._connection: HttpConnection | None = None
        self._busy = False

    @classmethod
    def open(
        cls,
        *,
        url: str,
        clock: Clock,
        tap: Tap | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        verify_tls: bool = True,
        ca_file: str = "",
        server_name: str = "",
    ) -> HttpClient:
        """Return a client of the server at ``url``; nothing is connected before the first request.

        ``timeout_s`` bounds the wait for a whole answer. ``ca_file`` names authorities to trust instead of
        the system's. ``server_name`` is for the Host header and TLS, where the server is not reached by its
        name. Raises BenchError for an address that is none, or one with a password in it.
        """
        base = BaseAddress.of(url, server_name=server_name)
        tls = client_context(verify=verify_tls, ca_file=ca_file) if base.scheme == "https" else None
        return cls(base=base, clock=clock, tap=NoTap() if tap is None else tap, timeout_s=timeout_s, tls=tls)

    def authorize(self, token: Hidden | None) -> None:
        """Send ``token`` as bearer token with every request from now on; None sends none.

        Raises BenchError, without the token, when it cannot stand in a header.
        """
        if token is not None and not re.fullmatch(rb"[\x21-\x7e]+", token.reveal()):
            raise BenchError(f"{self.name}: the token is empty, or has octets no header can carry")
        self._token = token

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        """Send a request and return its answer, whatever its status.

        ``path`` begins with a slash and continues the base address; what cannot stand in a path is escaped
        (``%`` counts as an escape already). ``json`` becomes the body. ``timeout_s`` bounds the exchange.

        Raises ConnectError or ConnectTimeout before anything was sent; ReadTimeout, LinkLost or WriteError
        when the answer did not come whole, RemoteProtocolError when it is no HTTP, too large, or followed by
        octets nobody asked for, LocalProtocolError for a request that cannot be written.
        """
        label = f"{method} {path}"
        composed = compose(
            self._base,
            method,
            path,
            json=json,
            query=query,
            headers=headers or {},
            authorization=f"Bearer {self._token.reveal().decode('ascii')}" if self._token is not None else "",
        )
        allowed_s = self._timeout_s if timeout_s is None else timeout_s
        with self._alone(label):
            kept = self._kept(label)
            if kept is not None:
                try:
                    return self._exchange(kept, composed, label, allowed_s)
                except (LinkLost, WriteError) as error:
                    if method not in _REPEATABLE or kept.octets.count or isinstance(error, WriteTimeout):
                        raise
                    self._tap.note(f"the kept connection was closed; {label} once more on a fresh one")
            return self._exchange(self._connect(allowed_s), composed, label, allowed_s)

    def close(self) -> None:
        """Close the connection; closing twice is harmless, and the next request opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __repr__(self) -> str:
        return f"<HttpClient {self.name}>"

    # -- inside

    @contextmanager
    def _alone(self, label: str) -> Iterator[None]:
        """Refuse a request while another one is under way: answers have no names to tell them apart by."""
        if self._busy:
            raise LocalProtocolError(f"{self.name}: {label} while another request is under way")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _exchange(
        self, connection: HttpConnection, request: httpcore.Request, label: str, allowed_s: float
    ) -> HttpAnswer:
        """Send ``request`` and take the whole answer; on any failure the connection is closed."""
        octets = connection.octets
        octets.begin(self._clock.monotonic_s() + allowed_s)
        try:
            response = connection.handle_request(request)
            body = connection.take_body(response)
            connection.finish(response)
        except BaseException as error:  # noqa: BLE001 - raised again, in our words where it is a library's
            if isinstance(error, (NotAsked, TooMuch)):
                self._tap.note(f"{error}; the connection is given up")
            self.close()
            self._fail(error, octets, label, allowed_s)
        if not connection.is_idle():
            self.close()
        headers = _headers(response)
        return HttpAnswer(
            status=response.status,
            headers=headers,
            body=body,
            media_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
            request=label,
            frame_intact=self._tls is not None,
        )

    def _fail(self, error: BaseException, octets: Octets, label: str, allowed_s: float) -> NoReturn:
        """Raise what ``error`` means to a lab: the one place where httpcore's errors become ours."""
        evidence, what = bytes(octets.evidence), f"{self.name}: {label}"
        match error:
            case httpcore.LocalProtocolError():  # its text may repeat a header's value
                raise LocalProtocolError(f"{what}: cannot be written as HTTP", clause="RFC 9112") from None
            case httpcore.RemoteProtocolError() if octets.ended and octets.write_failure is None:
                raise LinkLost(
                    f"{what}: the server closed the connection after {octets.count} octets of an answer",
                    received=evidence,
                ) from error
            case httpcore.RemoteProtocolError() | LinkLost() if octets.write_failure is not None:
                raise octets.write_failure from error
            case httpcore.RemoteProtocolError():
                raise self._not_http(f"{what}: the answer is not HTTP ({error})", evidence) from error
            case NotAsked() | TooMuch():
                raise self._not_http(f"{what}: {error}", evidence) from None
            case LinkLost():
                raise LinkLost(f"{what}: {error}", received=evidence) from error
            case ReadTimeout():
                text = f"{what}: no whole answer within {allowed_s:g} s"
                raise ReadTimeout(text, received=evidence) from error
        raise error

    def _not_http(self, message: str, data: bytes) -> RemoteProtocolError:
        return RemoteProtocolError(message, data=data, clause="RFC 9112", frame_intact=self._tls is not None)

    def _kept(self, label: str) -> HttpConnection | None:
        """Return the connection of the last request while it is still good for another one.

        Raises RemoteProtocolError when the server has said something on it without being asked.
        """
        connection = self._connection
        if connection is None or not connection.has_expired():
            return connection
        unasked = connection.octets.unasked
        text = f"{len(unasked or b'')} octets nobody asked for came before {label}, which was not sent"
        if unasked:
            self._tap.note(f"{text}; the connection is given up")
        self.close()
        if unasked:
            raise self._not_http(f"{self.name}: {text}", unasked)
        return None

    def _connect(self, allowed_s: float) -> HttpConnection:
        self.close()
        base, timeout_s = self._base, min(CONNECT_TIMEOUT_S, allowed_s)
        stream: ByteStream = TcpTransport.open(
            host=base.host,
            port=base.port,
            clock=self._clock,
            tap=self._tap if self._tls is None else _NotesOnly(self._tap),
            timeout_s=timeout_s,
        )
        if self._tls is not None:
            stream = TlsStream.over(
                stream,
                context=self._tls,
                server_name=base.server_name.partition(":")[0] or base.host,
                clock=self._clock,
                tap=self._tap,
                timeout_s=timeout_s,
            )
        self._connection = HttpConnection(base.origin, Octets(stream, self._clock))
        return self._connection


class _NotesOnly:
    """The tap of the connection below TLS: what that carries is recorded in clear, above it."""

    def __init__(self, tap: Tap) -> None:
        self.note = tap.note

    def sent(self, data: bytes) -> None:
        """Ignore cipher text."""

    def received(self, data: bytes) -> None:
        """Ignore cipher text."""


def _headers(response: httpcore.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
