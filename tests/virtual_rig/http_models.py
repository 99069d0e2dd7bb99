"""A small service for tests of HTTP on both sides of the wire, and lines to put it on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.base import Clock, LineSettings
from adapters.clock import WallClock
from adapters.transports.http import HttpClient
from virtual_rig.clock import VirtualClock
from virtual_rig.realtime import RealtimeDriver
from virtual_rig.servers.asgi import new_app
from virtual_rig.servers.http import HttpPort
from virtual_rig.servers.tcp import TcpServer
from virtual_rig.wire import HostLine


class Unit(BaseModel):
    """What is posted."""

    model_config = ConfigDict(extra="forbid")

    serial: str = Field(pattern=r"^\d{8}$")
    phases: int = Field(default=1, ge=1, le=3)


def service() -> FastAPI:
    """Return the application; ``app.state.asked`` counts what reached an endpoint."""
    app = new_app("Units", version="7")
    app.state.asked = []
    units: dict[str, Unit] = {}

    @app.get("/v1/units/{serial}")
    async def read(serial: str, verbose: bool = False) -> dict[str, object]:
        app.state.asked.append(f"read {serial}")
        if serial not in units:
            raise HTTPException(404, f"no unit {serial}")
        return {**units[serial].model_dump(), "verbose": verbose}

    @app.post("/v1/units", status_code=201)
    async def add(unit: Unit) -> Unit:
        app.state.asked.append(f"add {unit.serial}")
        units[unit.serial] = unit
        return unit

    @app.delete("/v1/units/{serial}", status_code=204)
    async def remove(serial: str) -> None:
        app.state.asked.append(f"remove {serial}")
        units.pop(serial, None)

    @app.get("/v1/numbers/{count}")
    async def numbers(count: int, unit: Annotated[list[str] | None, Query()] = None) -> dict[str, object]:
        app.state.asked.append(f"numbers {count}")
        return {"numbers": list(range(count)), "unit": unit or [], "exact": 0.1}

    @app.get("/v1/moved")
    async def moved() -> Response:
        return Response(status_code=307, headers={"location": "/v1/numbers/1"})

    @app.post("/v1/echo")
    async def echo(request: Request) -> Response:
        app.state.asked.append("echo")
        return Response(await request.body(), media_type="application/octet-stream")

    @app.get("/v1/who")
    async def who(request: Request) -> dict[str, str]:
        app.state.asked.append("who")
        return {"authorization": request.headers.get("authorization", "")}

    return app


@dataclass(kw_only=True)
class Served:
    """A served application and how to reach it."""

    app: Any
    port: HttpPort
    server: TcpServer
    rig: VirtualClock | RealtimeDriver
    clock: Clock

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"http://{self.server.address}"

    def client(self, **options: Any) -> HttpClient:
        """Return a client of ours."""
        return HttpClient.open(url=options.pop("url", self.url), clock=self.clock, **options)


@contextmanager
def serving(kind: str, **options: Any) -> Iterator[Served]:
    """Serve the application in ``virtual`` or in ``real`` time."""
    app = options.pop("app", None) or service()
    rig: VirtualClock | RealtimeDriver = VirtualClock() if kind == "virtual" else RealtimeDriver()
    try:
        port = HttpPort(app, rig, **options)
        server = TcpServer("service", port, rig)
        if isinstance(rig, RealtimeDriver):
            rig.start()
        clock: Clock = rig if isinstance(rig, VirtualClock) else WallClock()
        yield Served(app=app, port=port, server=server, rig=rig, clock=clock)
        if isinstance(rig, RealtimeDriver):
            assert rig.failures == []
    finally:
        rig.close()


class PaperLine:
    """A line without a wire: keeps what the model sends."""

    def __init__(self, name: str = "paper#1") -> None:
        self.name = name
        self.device_settings: LineSettings | None = None
        self.stalled = False
        self.sent = bytearray()
        self.closed = False

    def send(self, data: bytes, delay_s: float = 0.0, settings: LineSettings | None = None) -> None:
        """Keep ``data``."""
        if not self.closed:
            self.sent += data

    def close(self) -> None:
        """Take note."""
        self.closed = True

    @property
    def host_settings(self) -> LineSettings | None:
        """Return None: no UART."""
        return None


def converse(port: HttpPort, pieces: Iterable[bytes]) -> PaperLine:
    """Feed ``pieces`` to ``port`` on a line of their own, which then goes down."""
    line = PaperLine()
    port.opened(line)
    for piece in pieces:
        port.received(line, piece)
    port.closed(line)
    return line


class Cutter:
    """A line model whose octets reach the host in pieces, each a moment after the one before."""

    def __init__(self, model: HttpPort, sizes: list[int]) -> None:
        self._model, self._sizes = model, sizes
        self._lines: dict[str, _CutLine] = {}

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        cut = self._lines[line.name] = _CutLine(line, self._sizes)
        self._model.opened(cut)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self._model.received(self._lines[line.name], data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self._model.closed(self._lines.pop(line.name))


class _CutLine(PaperLine):
    def __init__(self, line: HostLine, sizes: list[int]) -> None:
        super().__init__(line.name)
        self._line, self._sizes = line, sizes

    def send(self, data: bytes, delay_s: float = 0.0, settings: LineSettings | None = None) -> None:
        """Send ``data`` in pieces of the given sizes, over and over."""
        start = number = 0
        while start < len(data):
            size = self._sizes[number % len(self._sizes)]
            self._line.send(data[start : start + size], delay_s + 0.001 * number)
            start, number = start + size, number + 1
