"""What a server answered to one HTTP request, and its JSON, read with a limit on everything.

Numbers with a fraction become ``Decimal``, never floats. A body that is no JSON, or JSON that no honest
service sends (nested without end, numbers beyond any quantity, half a surrogate), is the far end's mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.errors import RemoteProtocolError

MAX_DEPTH = 64
MAX_EXPONENT = 400
SHOWN_OCTETS = 4096  # of a body, in an error

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(octet for octet in range(256) if octet not in b"[]{}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """One answer. ``headers`` have lower-case names; repeated ones are joined by commas.

    ``request`` is the request line in short (``GET /v1/units``), for messages. ``frame_intact`` is True where
    a checksum (TLS) vouches that these are the octets the server sent.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    media_type: str = ""
    request: str = ""
    frame_intact: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the status is one of success (2xx)."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """Return the body as text, for people: what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> object:
        """Return the body as JSON values: dict, list, str, int, Decimal, bool, None.

        Raises RemoteProtocolError with the body's octets when it is none.
        """
        try:
            _refuse_depth(self.body)
            value: object = json.loads(
                self.body.decode("utf-8"), parse_float=_decimal, parse_constant=_no_constant
            )
            if _SURROGATE.search(self.body):
                json.dumps(value, ensure_ascii=False, default=str).encode()
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise RemoteProtocolError(
                f"the answer to {self.request or 'a request'} (status {self.status}, "
                f"{self.media_type or 'no media type'}, {len(self.body)} octets) is no JSON: {_why(error)}",
                data=self.body[:SHOWN_OCTETS],
                clause="RFC 8259",
                frame_intact=self.frame_intact,
            ) from error
        return value


def _refuse_depth(body: bytes) -> None:
    """Raise ValueError for JSON nested deeper than MAX_DEPTH, before anything recurses into it.

    Only brackets outside strings are left, then pairs vanish from the inside out: C speed, bounded rounds.
    Brackets that do not pair up stay, and the parser says so.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", body).translate(None, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if inner == brackets:
            return
        brackets = inner
    if brackets:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if abs(value.adjusted()) > MAX_EXPONENT:
        raise ValueError(f"a number of the size of 1e{value.adjusted()}")
    return value


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON value")


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not UTF-8" if isinstance(error, UnicodeDecodeError) else "half a surrogate pair"
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, ArithmeticError):
        return "a number beyond any size"
    return str(error)
