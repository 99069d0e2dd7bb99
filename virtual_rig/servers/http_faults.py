"""What a server can do wrong with an answer it has: late, twice, nonsense. For reviewers, by name.

These are faults of a server that works (an overloaded one, a proxy that repeats, a load balancer's error
page), not broken behaviours of a device: they show whether the harness keeps its head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Nonsense = Literal["garbage", "truncated", "not-http"]
NONSENSE: Final[tuple[Nonsense, ...]] = get_args(Nonsense)

_GREETING = b"220 ready\r\n"  # what a mail or file server says first


@dataclass(frozen=True, kw_only=True)
class HttpFaults:
    """Faults of one server; they befall every answer of its application.

    ``late_s``: so much later than it would, in virtual seconds. ``twice``: the same answer two times over.
    ``nonsense``: ``garbage`` (or just True) a well-formed answer whose JSON breaks off, ``truncated`` an
    answer that ends in the middle, with the connection, ``not-http`` the greeting of another service, and
    good-bye.
    """

    late_s: float = 0.0
    twice: bool = False
    nonsense: Nonsense | bool | None = None

    def garbled(self, body: bytes) -> bytes:
        """Return the body of a well-formed answer, as the faults leave it."""
        return body[: max(1, len(body) * 2 // 3)] + b'{"' if self.nonsense in (True, "garbage") else body

    def on_the_wire(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        """Return the octets to send for an answer, and whether the connection ends with them."""
        match self.nonsense:
            case "truncated":
                half = head + body[: len(body) // 2] if body else head[: len(head) // 2]
                return half, True
            case "not-http":
                return _GREETING, True
            case _:
                return (head + body) * (2 if self.twice else 1), False


NO_FAULTS = HttpFaults()
