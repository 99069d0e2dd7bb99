"""A relay switch, spoken to in SCPI (the signal switcher of SCPI-99): it opens and closes what a lab puts in
the path of a device: an antenna, the LAN of a server, the uplink to the Internet, socket power.

``ROUTe:OPEN (@1,3)`` interrupts channels 1 and 3, ``ROUTe:CLOSe (@1)`` connects channel 1 again. What it
identifies itself as is this project, not any maker.

Assumed: the relays are normally closed, so that a bench is connected when the switch is switched on and after
``*RST``, and a contact takes 20 ms, during which ``*OPC?`` waits; a channel that is not fitted is error -222.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from adapters.protocols import scpi
from adapters.protocols.scpi import CommandError, CommandTree, ScpiParser
from virtual_rig.wire import HostLine, Scheduler

SETTLING_S = 0.02


class PathSwitch:
    """The instrument; a ``LineModel`` for any number of connections, each with its own error queue.

    Channels are numbered from 1 and closed (connected) at first. ``on_change(channel, closed)`` is called
    when a contact moves, not when it is told to be where it is.
    """

    def __init__(
        self,
        rig: Scheduler,
        on_change: Callable[[int, bool], object],
        *,
        channels: int = 4,
        serial: str = "1",
    ) -> None:
        self._rig, self._on_change, self._serial = rig, on_change, serial
        self._closed = dict.fromkeys(range(1, channels + 1), True)
        self._settled_at_s = 0.0
        self._parsers: dict[HostLine, ScpiParser] = {}
        self._speaking: ScpiParser | None = None
        self._waits = False
        self._tree = self._commands()

    def is_closed(self, channel: int) -> bool:
        """Return whether ``channel`` connects. Raises KeyError for one that is not fitted."""
        return self._closed[channel]

    # -- LineModel

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self._parsers[line] = ScpiParser(self._tree)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self._speaking, self._waits = self._parsers[line], False
        answers = self._speaking.receive_data(data)
        delay_s = max(0.0, self._settled_at_s - self._rig.now_s()) if self._waits else 0.0
        if answers:
            line.send(answers, delay_s)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``; a break clears nothing here."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``; the contacts stay as they are."""
        self._parsers.pop(line, None)

    # -- the instrument

    def _commands(self) -> CommandTree:
        tree = CommandTree()
        tree.on("*IDN", query=lambda *_: f"MeterBench,Virtual path switch,{self._serial},1")
        tree.on("*RST", setter=lambda *_: self._move(tuple(self._closed), True))
        tree.on("*CLS", setter=lambda *_: self._parser().clear())
        tree.on("*OPC", query=lambda *_: self._operation_complete())
        tree.on("SYSTem:ERRor[:NEXT]", query=lambda *_: self._parser().next_error())
        for header, closed in (("[ROUTe:]CLOSe", True), ("[ROUTe:]OPEN", False)):
            tree.on(header, setter=partial(self._switch, closed), query=partial(self._state, closed))
        tree.on("[ROUTe:]OPEN:ALL", setter=lambda *_: self._move(tuple(self._closed), False))
        tree.on("[ROUTe:]CLOSe:STATe", query=lambda *_: self._all_closed())
        return tree

    def _parser(self) -> ScpiParser:
        assert self._speaking is not None  # handlers only run inside ``received``
        return self._speaking

    def _operation_complete(self) -> str:
        self._waits = True
        return "1"

    def _fitted(self, arguments: Sequence[str]) -> tuple[int, ...]:
        """Return the channels of a list, all of them fitted: a list with a wrong one moves nothing."""
        named = scpi.channels(arguments)
        for channel in named:
            if channel not in self._closed:
                raise CommandError(-222, f"channel {channel} is not fitted")
        return named

    def _switch(self, closed: bool, _: tuple[int, ...], arguments: Sequence[str]) -> None:
        self._move(self._fitted(arguments), closed)

    def _state(self, closed: bool, _: tuple[int, ...], arguments: Sequence[str]) -> str:
        return ",".join(str(int(self._closed[channel] is closed)) for channel in self._fitted(arguments))

    def _all_closed(self) -> str:
        connected = [channel for channel, closed in self._closed.items() if closed]
        return scpi.channel_list(connected) if connected else "(@)"

    def _move(self, named: tuple[int, ...], closed: bool) -> None:
        for channel in named:
            if self._closed[channel] is not closed:
                self._closed[channel] = closed
                self._settled_at_s = self._rig.now_s() + SETTLING_S
                self._on_change(channel, closed)
