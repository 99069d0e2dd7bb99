"""A GSM modem on a serial line: AT commands of 3GPP TS 27.005 and 27.007 in front of a number of the network.

PDU mode only, like the cheapest of them. It knows what a host needs to send and receive messages, and says
ERROR to the rest. Received messages are kept in a memory of limited size; a full one takes no more until
the host deletes some, and what comes meanwhile is lost on this side of the air, as it is with a real SIM.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.base import LineSettings
from adapters.errors import ProtocolError
from adapters.protocols.gsm.at_codes import INVALID_INDEX, INVALID_PARAMETER, NO_NETWORK
from adapters.protocols.gsm.at_server import AtServer, Command, Typed
from adapters.protocols.gsm.pdu import (
    Received,
    StatusReport,
    decode_submit,
    numbered,
    with_centre,
    without_centre,
)
from virtual_rig.gsm.network import SmsNetwork
from virtual_rig.wire import HostLine

MODEM_BAUD = 115200
ANSWER_DELAY_S = 0.02
SUBMIT_DELAY_S = 0.5  # what the air takes until the centre has the message
_REGISTERED_HOME, _NOT_REGISTERED = 1, 0


@dataclass(frozen=True, kw_only=True)
class ModemIdentity:
    """What the modem says about itself."""

    manufacturer: str = "MeterBench"
    model: str = "Virtual GSM modem"
    revision: str = "1.0"
    imei: str = "350000000000006"


class VirtualModem:
    """A modem with the SIM of ``number``. ``rssi`` is what AT+CSQ shows: 0 to 31, 99 unknown."""

    def __init__(
        self,
        network: SmsNetwork,
        number: str,
        *,
        identity: ModemIdentity | None = None,
        rssi: int = 18,
        registered: bool = True,
        capacity: int = 20,
        baud: int = MODEM_BAUD,
    ) -> None:
        self.network, self.number = network, number
        self.identity = identity or ModemIdentity()
        self.rssi, self.registered, self.capacity, self.baud = rssi, registered, capacity, baud
        self._at = AtServer()
        self._line: HostLine | None = None
        self._memory: dict[int, tuple[bool, Received]] = {}  # index -> (read, message)
        self._indications = [0, 0, 0, 0, 0]
        self._errors = 0  # AT+CMEE
        self._registration_news = 0
        self._reference = 0
        self._expected_octets = -1
        network.join(number, self)

    # --- the line ------------------------------------------------------------------------------------

    def opened(self, line: HostLine) -> None:
        """Set the modem's end of the line."""
        self._line = line
        line.device_settings = LineSettings(baud=self.baud)

    def received(self, line: HostLine, data: bytes) -> None:
        """Take what the host types."""
        self._at.receive_data(data)
        delay_s = ANSWER_DELAY_S
        while (command := self._at.next_command()) is not None:
            if isinstance(command, Typed):
                delay_s = SUBMIT_DELAY_S
                self._typed(command)
            elif isinstance(command, Command):
                self._command(command)
            else:
                self._at.error()
        line.send(self._at.data_to_send(), delay_s)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """Ignore a break."""

    def closed(self, line: HostLine) -> None:
        """Forget the line."""
        self._line = None

    # --- the network ---------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether the network finds the modem."""
        return self.registered

    @property
    def stored(self) -> int:
        """How many messages its memory holds."""
        return len(self._memory)

    def take(self, message: Received) -> None:
        """Take a message off the air, and tell the host as it asked for (AT+CNMI)."""
        _, arrivals, _, reports, _ = self._indications
        octets = with_centre(message.encode(), self.network.centre)
        length, digits = len(message.encode()), octets.hex().upper()
        if isinstance(message, StatusReport):
            if reports == 1:
                self._at.news(f"+CDS: {length}", digits)
            elif reports == 2:
                self._keep(message, "CDSI")
        elif arrivals == 2:
            self._at.news(f"+CMT: ,{length}", digits)
        else:
            self._keep(message, "CMTI" if arrivals == 1 else "")
        if self._line is not None and (out := self._at.data_to_send()):
            self._line.send(out)

    def _keep(self, message: Received, indication: str) -> None:
        index = next((each for each in range(1, self.capacity + 1) if each not in self._memory), 0)
        if not index:
            return
        self._memory[index] = (False, message)
        if indication:
            self._at.news(f'+{indication}: "SM",{index}')

    # --- the commands --------------------------------------------------------------------------------

    def _command(self, command: Command) -> None:
        at, identity = self._at, self.identity
        match command.name, command.kind:
            case (("" | "Z" | "&F" | "V1" | "Q0" | "E0" | "E1"), _):
                if command.name[:1] == "E":
                    at.echo = command.name == "E1"
                at.ok()
            case "I", _:
                at.ok(identity.manufacturer, identity.model, f"REVISION {identity.revision}")
            case "CGMI", "run":
                at.ok(identity.manufacturer)
            case "CGMM", "run":
                at.ok(identity.model)
            case "CGMR", "run":
                at.ok(identity.revision)
            case "CGSN", "run":
                at.ok(identity.imei)
            case "CMEE", "set" if command.arguments[0] in ("0", "1"):
                self._errors = int(command.arguments[0])
                at.ok()
            case "CPIN", "read":
                at.ok("+CPIN: READY")
            case "CREG", "read":
                state = _REGISTERED_HOME if self.registered else _NOT_REGISTERED
                at.ok(f"+CREG: {self._registration_news},{state}")
            case "CREG", "set" if command.arguments[0] in ("0", "1"):
                self._registration_news = int(command.arguments[0])
                at.ok()
            case "CSQ", "run":
                at.ok(f"+CSQ: {self.rssi if self.registered else 99},99")
            case "CSCA", "read":
                at.ok(f'+CSCA: "{self.network.centre}",145')
            case "CSCA", "set":
                at.ok()
            case _:
                self._message_command(command)

    def _message_command(self, command: Command) -> None:
        at = self._at
        match command.name, command.kind:
            case "CMGF", "set":
                at.ok() if command.arguments == ("0",) else self._cms_error(INVALID_PARAMETER)
            case "CMGF", "read":
                at.ok("+CMGF: 0")
            case "CSMS", "set":
                at.ok("+CSMS: 1,1,0")
            case "CPMS", "set":
                used = f"{len(self._memory)},{self.capacity}"
                at.ok(f"+CPMS: {used},{used},{used}")
            case "CPMS", "read":
                used = f'"SM",{len(self._memory)},{self.capacity}'
                at.ok(f"+CPMS: {used},{used},{used}")
            case "CNMI", "set":
                self._set_indications(command.arguments)
            case "CNMI", "read":
                at.ok("+CNMI: " + ",".join(str(each) for each in self._indications))
            case "CMGS", "set":
                self._expected_octets = _number(command.arguments[0])
                at.prompt() if 0 < self._expected_octets <= 164 else self._cms_error(INVALID_PARAMETER)
            case "CMGL", ("set" | "run"):
                self._list(_number(command.arguments[0]) if command.arguments else 0)
            case "CMGR", "set":
                self._read(_number(command.arguments[0]))
            case "CMGD", "set":
                self._delete(command.arguments)
            case _:
                at.error("ERROR" if not self._errors else "+CME ERROR: 4")

    def _set_indications(self, arguments: tuple[str, ...]) -> None:
        values = [_number(each) for each in arguments]
        if not 1 <= len(values) <= 5 or min(values) < 0 or max(values) > 3:
            self._cms_error(INVALID_PARAMETER)
            return
        self._indications[: len(values)] = values
        self._at.ok()

    def _list(self, status: int) -> None:
        lines: list[str] = []
        for index in sorted(self._memory):
            read, message = self._memory[index]
            if status == 4 or status == int(read):
                tpdu = message.encode()
                lines.append(f"+CMGL: {index},{int(read)},,{len(tpdu)}")
                lines.append(with_centre(tpdu, self.network.centre).hex().upper())
                self._memory[index] = (True, message)
        self._at.ok(*lines)

    def _read(self, index: int) -> None:
        if index not in self._memory:
            self._cms_error(INVALID_INDEX)
            return
        read, message = self._memory[index]
        self._memory[index] = (True, message)
        tpdu = message.encode()
        self._at.ok(f"+CMGR: {int(read)},,{len(tpdu)}", with_centre(tpdu, self.network.centre).hex().upper())

    def _delete(self, arguments: tuple[str, ...]) -> None:
        flag = _number(arguments[1]) if len(arguments) > 1 else 0
        if flag == 4:
            self._memory.clear()
        elif flag in (1, 2, 3):
            self._memory = {at: kept for at, kept in self._memory.items() if not kept[0]}
        else:
            self._memory.pop(_number(arguments[0]), None)
        self._at.ok()

    def _typed(self, typed: Typed) -> None:
        if typed.text is None:
            self._at.ok()
            return
        try:
            _, tpdu = without_centre(bytes.fromhex(typed.text))
            message = decode_submit(tpdu)
        except (ValueError, ProtocolError):
            self._cms_error(INVALID_PARAMETER)
            return
        if len(tpdu) != self._expected_octets:
            self._cms_error(INVALID_PARAMETER)
        elif not self.registered:
            self._cms_error(NO_NETWORK)
        else:
            self._reference = self._reference % 255 + 1
            message = numbered(message, self._reference)
            self.network.world.scheduler.call_later(SUBMIT_DELAY_S, self.network.submit, self.number, message)
            self._at.ok(f"+CMGS: {self._reference}")

    def _cms_error(self, code: int) -> None:
        self._at.error(f"+CMS ERROR: {code}")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 5 else -1
