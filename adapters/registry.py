"""Which adapter classes there are: found by entry point, validated when they register.

An adapter is a class whose constructor takes keyword arguments only: ``name``, ``clock``, ``profile``
(a name or path, or empty), ``links`` (link name -> options as in the bench file), ``secrets`` (name ->
Secret), ``open_link`` (link name -> open stream) and ``expected_serial``. It serves one role.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from secrets import token_bytes
from typing import Protocol, cast, runtime_checkable

from adapters.base import ByteStream, Clock, Datagrams, Listener, SerialStream, Tap
from adapters.errors import BenchError, NotPermitted
from adapters.transports.http_answer import HttpAnswer

GROUP = "meterbench.adapters"


class Secret:
    """A key or password that does not show itself: not in repr, not in str, not in an exception."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the secret's bytes, for the one place that needs them."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not written to anything")


@dataclass(frozen=True, kw_only=True)
class OpenedLink:
    """A link that has just been opened: the stream, its tap and the options the bench file gave it.

    ``serial`` is the same stream where its line settings can be changed, None on anything but a serial line.
    """

    stream: ByteStream
    serial: SerialStream | None
    tap: Tap
    options: Mapping[str, str]


class HttpChannel(Protocol):
    """Requests to the server behind one link; ``adapters.transports.http.HttpClient`` is one."""

    def authorize(self, token: Secret | None) -> None:
        """Send ``token`` as bearer token with every request from now on; None sends none.

        Which secret it is, the adapter decides: ``context.secrets["token"]``, or what a log-in answered.
        """
        ...

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, str | int | bool | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        """Send a request and return its answer, whatever its status; ``json`` becomes the body.

        Raises the transport and protocol errors of ``adapters.errors``; a redirect is an answer.
        """
        ...

    def close(self) -> None:
        """Close the connection; closing twice is harmless, and the next request opens a new one."""
        ...


def _nothing_is_permitted(kind: str) -> None:
    raise NotPermitted(f"{kind} is not allowed on this bench")


@dataclass(frozen=True, kw_only=True)
class AdapterContext:
    """Everything an adapter gets from its bench.

    An adapter calls ``permit("disconnect")`` right before it sends what could hurt and was not marked so
    on the role method (a generic SET, say). It returns when the bench file allows that kind of thing and
    the device's identity has just been read back and is the expected one; otherwise it raises
    NotPermitted or BenchError, and nothing is sent.
    """

    name: str
    clock: Clock
    profile: str = ""
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    open_link: Callable[[str], OpenedLink]
    open_datagrams: Callable[[str], Datagrams] | None = None
    open_http: Callable[[str], HttpChannel] | None = None
    open_listener: Callable[[str, int], Listener] | None = None  # link, port: 0 as the bench file says
    permit: Callable[[str], None] = _nothing_is_permitted
    secret_references: Mapping[str, str] = field(default_factory=dict)  # where it keeps each
    where: Callable[[], str] = str  # which case and step this is, a line each; for whoever is asked
    random_octets: Callable[[int], bytes] = token_bytes  # seeded on a virtual bench, so that runs repeat


@runtime_checkable
class Adapter(Protocol):
    """The class object itself: what it is called with and which role it serves."""

    role: str

    def __call__(self, context: AdapterContext) -> object:
        """Make the device; no link is opened before it is needed."""
        ...


@runtime_checkable
class AdapterFamily(Protocol):
    """A class that is no adapter of one role itself and has one for each role instead."""

    def serving(self, role: str) -> Adapter:
        """Return the adapter that serves ``role``. Raises BenchError for a role it cannot serve."""
        ...


@cache
def adapters() -> Mapping[str, Adapter]:
    """Return every installed adapter by name.

    Raises BenchError naming the entry point when one cannot be used as an adapter: a bad plug-in is
    rejected when it registers, not in the middle of a run.
    """
    found: dict[str, Adapter] = {}
    for entry in entry_points(group=GROUP):
        found[entry.name] = _validated(entry)
    return found


def adapter(name: str, role: str = "") -> Adapter:
    """Return the adapter called ``name``; of one that serves several roles, the one for ``role``.

    Raises BenchError naming those that exist, or where there is no such role.
    """
    try:
        found = adapters()[name]
    except KeyError:
        raise BenchError(f"no adapter {name!r}; installed: {', '.join(sorted(adapters()))}") from None
    serving = getattr(found, "serving", None)
    return cast(AdapterFamily, found).serving(role) if role and serving is not None else found


def _validated(entry: EntryPoint) -> Adapter:
    where = f"adapter {entry.name!r} ({entry.value})"
    try:
        made = entry.load()
    except (ImportError, AttributeError) as error:
        raise BenchError(f"{where} cannot be loaded: {error}") from error
    if not inspect.isclass(made) or not isinstance(getattr(made, "role", None), str):
        raise BenchError(f"{where} must be a class with a 'role'")
    parameters = list(inspect.signature(made).parameters)
    if parameters != ["context"]:
        raise BenchError(f"{where} must be constructed from one AdapterContext 'context', not {parameters}")
    for verb in ("identify", "make_safe", "close"):
        if not callable(getattr(made, verb, None)):
            raise BenchError(f"{where} lacks the method {verb}()")
    return cast(Adapter, made)
