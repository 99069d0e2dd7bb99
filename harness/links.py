"""Opens the links of one device, each connection with its transcript.

What kind of wire a link is, its options in the bench file say. Parallel connections over one link write
transcripts of their own; connections one after the other share one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import cast

from adapters.base import ByteStream, Clock, LineSettings, Listener, Parity, SerialStream, Tap
from adapters.errors import BenchError
from adapters.registry import HttpChannel, OpenedLink
from adapters.transports.serial import SerialTransport
from adapters.transports.stream import NoTap
from adapters.transports.tcp import TcpTransport
from harness.evidence.wirelog import Decode, WireLog
from harness.scrub import Scrubber

CONNECT_TIMEOUT_S = 10.0
HTTP_TIMEOUT_S = 30.0
DLMS_PORT, SCPI_PORT, HTTP_PORT = 4059, 5025, 80
"""The ports captures show, whatever port a virtual device had: dissectors go by them."""

Decoder = Callable[[Mapping[str, str]], Decode]


class Links:
    """The links of one device. ``logs`` collects their transcripts by name, for whoever closes the bench."""

    def __init__(
        self,
        *,
        device: str,
        options: Mapping[str, Mapping[str, str]],
        clock: Clock,
        logs: dict[str, WireLog],
        decoder: Decoder | None,
        wire_dir: Path | None,
        scrubber: Scrubber,
        lend_terminal: Callable[[], Callable[[], None]] = lambda: lambda: None,
    ) -> None:
        self._device, self._options, self._clock = device, options, clock
        self._logs, self._decoder, self._wire_dir, self._scrubber = logs, decoder, wire_dir, scrubber
        self._lend_terminal = lend_terminal
        self._busy: dict[str, set[int]] = {}  # link -> transcripts in use

    def open_stream(self, link: str) -> OpenedLink:
        """Open a serial line, TCP, UDP or a terminal.

        Raises ConnectError; BenchError for another kind of link.
        """
        options = self._options[link]
        stream: ByteStream
        serial: SerialStream | None = None
        match options["transport"]:
            case "serial":
                tap = self._tap(link)
                serial = SerialTransport.open(
                    port=options["port"], settings=line_settings(options), clock=self._clock, tap=tap
                )
                stream = serial
            case "tcp":
                tap = self._tap(link)
                stream = TcpTransport.open(
                    host=options["host"],
                    port=int(options["port"]),
                    clock=self._clock,
                    tap=tap,
                    timeout_s=float(options.get("connect_timeout_s", CONNECT_TIMEOUT_S)),
                )
            case "udp":
                from adapters.transports.datagram_stream import DatagramStream
                from adapters.transports.udp import UdpTransport  # few benches have it

                tap = self._tap(link)
                stream = DatagramStream(
                    UdpTransport.open(
                        host=options["host"], port=int(options["port"]), clock=self._clock, tap=tap
                    )
                )
            case "terminal":
                tap = self._tap(link)
                stream = self._terminal(options, tap)
            case other:
                raise BenchError(
                    f"{self._device}.{link}: no stream transport {other!r};"
                    " there are serial, tcp, udp, terminal"
                )
        return OpenedLink(stream=stream, serial=serial, tap=tap, options=options)

    def _terminal(self, options: Mapping[str, str], tap: Tap) -> ByteStream:
        """Open a terminal; where it is the run's own, nothing else writes on it until it is closed."""
        from adapters.transports.terminal import TerminalTransport  # most benches ask nobody

        return TerminalTransport.open(
            device=options.get("device", ""), clock=self._clock, tap=tap, lend=self._lend_terminal
        )

    def open_http(self, link: str) -> HttpChannel:
        """Return a client of the server behind a link; it connects when it is first asked for something.

        Raises BenchError for a link of another kind, or an address that is none.
        """
        from adapters.transports.http import HttpClient  # most benches have no HTTP, and it takes its time

        options = self._options[link]
        if options["transport"] != "http":
            raise BenchError(f"{self._device}.{link}: transport {options['transport']!r} is not http")
        return HttpClient.open(
            url=options["url"],
            clock=self._clock,
            tap=self._tap(link),
            timeout_s=float(options.get("timeout_s", HTTP_TIMEOUT_S)),
            verify_tls=options.get("verify_tls", "true") == "true",
            ca_file=options.get("ca_file", ""),
            server_name=options.get("server_name", ""),
        )

    def open_listener(self, link: str, port: int = 0) -> Listener:
        """Listen where devices call; ``port`` instead of any that is free, to listen where we did before.

        Raises ConnectError; BenchError for a link of another kind.
        """
        from adapters.transports.listener import LOOPBACK, TcpListener, UdpListener  # few benches listen

        options = self._options[link]
        kinds: dict[str, type[TcpListener] | type[UdpListener]] = {
            "tcp-listener": TcpListener,
            "udp-listener": UdpListener,
        }
        if options["transport"] not in kinds:
            raise BenchError(
                f"{self._device}.{link}: transport {options['transport']!r} does not listen; "
                "there are tcp-listener, udp-listener"
            )
        return kinds[options["transport"]].open(
            host=options.get("host", LOOPBACK),
            port=int(options.get("port", "0")) or port,
            clock=self._clock,
            tap=self._tap(link),
            announce=options.get("announce", ""),
        )

    def _tap(self, link: str) -> Tap:
        if self._wire_dir is None:
            return NoTap()
        busy = self._busy.setdefault(link, set())
        slot = next(number for number in count(1) if number not in busy)
        busy.add(slot)
        name = f"{self._device}-{link}" + (f"-{slot}" if slot > 1 else "")
        log = self._logs.get(name)
        if log is None:
            log = self._logs[name] = self._log(name, self._options[link], self._wire_dir)
        return _LinkTap(log, busy, slot)

    def _log(self, name: str, options: Mapping[str, str], folder: Path) -> WireLog:
        transport = options.get("transport")
        port = DLMS_PORT if options.get("framing") == "wrapper" else SCPI_PORT
        return WireLog(
            folder / f"{name}.log",
            clock=self._clock,
            decode=self._decoder(options) if self._decoder is not None else None,
            scrub=self._scrubber.octets,
            scrub_text=self._scrubber.text,
            text=transport == "terminal",
            pcap=folder / f"{name}.pcap" if transport in ("tcp", "http") else None,
            tcp_port=HTTP_PORT if transport == "http" else port,
        )


class _LinkTap:
    """One connection's tap: its slot's transcript, given back when the connection closes.

    An HTTP client opens and closes connections as it needs them, and takes its slot again each time.
    """

    def __init__(self, log: WireLog, busy: set[int], slot: int) -> None:
        self._log, self._busy, self._slot = log, busy, slot
        self.sent, self.received = log.sent, log.received

    def note(self, text: str) -> None:
        """Record an event of the link; ``closed`` frees the slot."""
        self._log.note(text)
        if text == "closed":
            self._busy.discard(self._slot)
        elif text.startswith("opened"):
            self._busy.add(self._slot)


def line_settings(options: Mapping[str, str]) -> LineSettings:
    """Return the line settings of a link's options (baud, data_bits, parity, stop_bits)."""
    return LineSettings(
        baud=int(options.get("baud", 9600)),
        data_bits=int(options.get("data_bits", 8)),
        parity=cast(Parity, options.get("parity", "N")),
        stop_bits=int(options.get("stop_bits", 1)),
    )
