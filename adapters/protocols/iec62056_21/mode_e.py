"""The sign-on of IEC 62056-21 up to the hand-over to HDLC (mode E, annex B), both roles, sans-IO.

Same verbs as the DLMS links: ``receive_data``, ``next_event`` until ``NEED_DATA``, ``data_to_send``; the
owner keeps the timers. See ``events`` for the one rule on changing line settings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from enum import StrEnum
from typing import Final, Generic, TypeVar

from adapters.base import LineSettings
from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.iec62056_21.events import (
    NEED_DATA,
    Confirmation,
    HandedOver,
    IdentificationReceived,
    LineChange,
    MessageRejected,
    NeedData,
    OptionSelected,
    RequestReceived,
    SignOnEvent,
    SignOnFailed,
)
from adapters.protocols.iec62056_21.messages import (
    BAUD_RATES,
    MAX_MESSAGE_OCTETS,
    SIGN_ON_SETTINGS,
    Identification,
    Message,
    OptionSelect,
    Request,
    hdlc_settings,
    parse_message,
)

_SLASH: Final = 0x2F
_ACK: Final = 0x06
_FLAG: Final = 0x7E


class SignOnState(StrEnum):
    """How far a sign-on has come."""

    IDLE = "idle"
    REQUESTED = "requested"
    IDENTIFIED = "identified"
    SELECTED = "selected"
    HANDED_OVER = "handed over"
    FAILED = "failed"


E = TypeVar("E")


class SignOn(ABC, Generic[E]):
    """What all roles share: octets to messages, and a queue in which sending and events keep their order.

    ``E`` are the events an engine reports beside those of the sign-on.
    """

    def __init__(self, settings: LineSettings) -> None:
        self.state = SignOnState.IDLE
        self._settings = settings
        self._buffer = b""
        self._queue: deque[SignOnEvent | E | bytes] = deque()
        self._out = b""

    @property
    def incomplete(self) -> bool:
        """True while part of a message waits for its rest."""
        return bool(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the line, without parity bits. Raises LocalProtocolError after the hand-over."""
        if self.state is SignOnState.HANDED_OVER:
            raise LocalProtocolError("IEC 62056-21: the line speaks HDLC now", data=data)
        self._buffer += data

    def next_event(self) -> SignOnEvent | E | NeedData:
        """Return what happened next, or ``NEED_DATA``. Never raises for what the partner sent."""
        while True:
            while self._queue:
                head = self._queue.popleft()
                if not isinstance(head, bytes):
                    return head
                self._out += head
            if not self._advance():
                return NEED_DATA

    def data_to_send(self) -> bytes:
        """Return what must go out now, and forget it."""
        data, self._out = self._out, b""
        return data

    def _advance(self) -> bool:
        """Take one step through the buffer. Returns False when more octets are needed."""
        if self.state is SignOnState.HANDED_OVER or not self._buffer:
            return False
        window = self._buffer[:MAX_MESSAGE_OCTETS]  # decisions never depend on how much more has come
        starts = [index for index, octet in enumerate(window) if octet in (_SLASH, _ACK)]
        full = len(window) == MAX_MESSAGE_OCTETS
        end = window.find(b"\n") + 1
        if not starts or starts[0]:
            if not starts and not full:
                return False
            self._drop(starts[0] if starts else len(window), "octets outside of a message")
        elif len(starts) > 1 and (not end or starts[1] < end):
            self._drop(starts[1], "a message was begun and not finished")
        elif end:
            data, self._buffer = self._buffer[:end], self._buffer[end:]
            try:
                self._message(parse_message(data), data)
            except RemoteProtocolError as error:
                self._queue.append(MessageRejected(data=data, why=str(error)))
        elif full:
            self._drop(MAX_MESSAGE_OCTETS, f"no end of message within {MAX_MESSAGE_OCTETS} octets")
        else:
            return False
        return True

    def _drop(self, octets: int, why: str) -> None:
        data, self._buffer = self._buffer[:octets], self._buffer[octets:]
        if data.strip(b"\x00\xff"):  # wake-up octets and idle line are no news (annex B.2)
            self._queue.append(MessageRejected(data=data, why=why))

    @abstractmethod
    def _message(self, message: Message, data: bytes) -> None:
        """Act on a message of the partner."""

    def _hand_over(self, *, confirmed: bool, direct: bool = False) -> None:
        self.state = SignOnState.HANDED_OVER
        rest, self._buffer = self._buffer, b""
        self._queue.append(HandedOver(rest=rest, confirmed=confirmed, direct=direct))


class ModeEClient(SignOn[SignOnEvent]):
    """The reader: request, identification, option select, then HDLC.

    ``address`` selects a meter on a shared line. ``max_baud`` caps the meter's offer. ``require_offer`` False
    tries HDLC also with a meter that does not announce it in its identification.
    An optical head's echo of our own request is recognised and ignored.
    """

    def __init__(
        self,
        address: str = "",
        *,
        max_baud: int = 19200,
        confirmation: Confirmation = Confirmation.OLD_SPEED,
        require_offer: bool = True,
        max_retries: int = 2,
        settings: LineSettings = SIGN_ON_SETTINGS,
    ) -> None:
        super().__init__(settings)
        self._request = Request(address=address)
        self._max_baud, self._require_offer = max_baud, require_offer
        self._confirmation, self._max_retries = confirmation, max_retries
        self._retries = 0
        self._option = OptionSelect()

    def start(self) -> None:
        """Send the request, at the sign-on settings, which come as a LineChange first."""
        self.state, self._buffer, self._retries = SignOnState.REQUESTED, b"", 0
        self._queue.clear()
        self._queue += (LineChange(settings=self._settings), self._request.encode())

    def response_timeout(self) -> None:
        """Nothing came in time: ask again, give up, or do without the confirmation."""
        self._buffer = b""
        if self.state is SignOnState.SELECTED:
            self._to_hdlc(confirmed=False)
        elif self.state is SignOnState.REQUESTED:
            if self._retries < self._max_retries:
                self._retries += 1
                self._queue.append(self._request.encode())
            else:
                self._fail(f"no identification after {self._retries + 1} requests")

    def _message(self, message: Message, data: bytes) -> None:
        if self.state is SignOnState.REQUESTED and isinstance(message, Identification):
            self._identified(message, data)
        elif self.state is SignOnState.SELECTED and message == self._option:
            self._to_hdlc(confirmed=True)
        elif message != self._request:
            self._queue.append(MessageRejected(data=data, why=f"{message}, while {self.state}"))

    def _identified(self, identification: Identification, data: bytes) -> None:
        delay_s = identification.reaction_time_s
        if self._require_offer and not identification.offers_hdlc:
            self._fail(f"the meter does not offer HDLC: {identification}", data)
            return
        if identification.baud_code not in BAUD_RATES:
            self._fail(f"baud rate code {identification.baud_code!r} is none of modes C and E", data)
            return
        code = max(c for c in BAUD_RATES if c <= identification.baud_code and BAUD_RATES[c] <= self._max_baud)
        self._option = OptionSelect(baud_code=code)
        self.state = SignOnState.SELECTED
        self._queue += (
            IdentificationReceived(identification=identification, delay_s=delay_s),
            self._option.encode(),
        )
        if self._confirmation is Confirmation.NONE:
            self._to_hdlc(confirmed=False)
        elif self._confirmation is Confirmation.NEW_SPEED:
            self._queue.append(LineChange(settings=_seven_even(self._option.baud)))

    def _to_hdlc(self, *, confirmed: bool) -> None:
        self._queue.append(LineChange(settings=hdlc_settings(self._option.baud)))
        self._hand_over(confirmed=confirmed)

    def _fail(self, why: str, data: bytes = b"") -> None:
        self.state = SignOnState.FAILED
        self._queue.append(SignOnFailed(why=why, data=data))


class ModeEServer(SignOn[SignOnEvent]):
    """The meter: answers the request, takes the option select, confirms it, then HDLC.

    ``address`` is the meter's own; a request for another is silence, one without address is for everyone.
    ``direct_hdlc``: an HDLC flag instead of a request hands over at once (the owner knows at which speed).
    """

    def __init__(
        self,
        identification: Identification,
        *,
        address: str = "",
        confirmation: Confirmation = Confirmation.OLD_SPEED,
        direct_hdlc: bool = True,
        settings: LineSettings = SIGN_ON_SETTINGS,
    ) -> None:
        super().__init__(settings)
        self.identification = identification
        self._address, self._confirmation, self._direct = address, confirmation, direct_hdlc
        self._encoded = identification.encode()

    def reset(self) -> None:
        """Return to the beginning: HDLC ended (DISC) or the line was idle for too long."""
        self.state, self._buffer = SignOnState.IDLE, b""
        self._queue.clear()
        self._queue.append(LineChange(settings=self._settings))

    def _advance(self) -> bool:
        if self._direct and self.state is SignOnState.IDLE:
            flag = self._buffer.find(_FLAG, 0, MAX_MESSAGE_OCTETS)
            if flag >= 0 and _SLASH not in self._buffer[:flag]:
                self._drop(flag, "octets outside of a message")
                self._hand_over(confirmed=False, direct=True)
                return True
        return super()._advance()

    def _message(self, message: Message, data: bytes) -> None:
        if isinstance(message, Request):
            self._requested(message)
        elif isinstance(message, OptionSelect) and self.state is SignOnState.IDENTIFIED:
            self._selected(message, data)
        else:
            self._queue.append(MessageRejected(data=data, why=f"{message}, while {self.state}"))

    def _requested(self, request: Request) -> None:
        # Leading zeros of an address carry no meaning (6.3.14, 22).
        if request.address and request.address.lstrip("0") != self._address.lstrip("0"):
            return
        self.state = SignOnState.IDENTIFIED
        self._queue += (
            RequestReceived(address=request.address, delay_s=self.identification.reaction_time_s),
            self._encoded,
        )

    def _selected(self, option: OptionSelect, data: bytes) -> None:
        if option.baud_code not in BAUD_RATES or option.baud_code > self.identification.baud_code:
            self._queue.append(MessageRejected(data=data, why=f"{option}: not a baud rate this meter offers"))
            return
        if not option.is_hdlc or not self.identification.offers_hdlc:
            self._queue.append(OptionSelected(option=option))
            return
        self.state = SignOnState.SELECTED
        if self._confirmation is Confirmation.OLD_SPEED:
            self._queue.append(data)
        elif self._confirmation is Confirmation.NEW_SPEED:
            self._queue += (LineChange(settings=_seven_even(option.baud)), data)
        self._queue.append(LineChange(settings=hdlc_settings(option.baud)))
        self._hand_over(confirmed=self._confirmation is not Confirmation.NONE)


def _seven_even(baud: int) -> LineSettings:
    return LineSettings(baud=baud, data_bits=7, parity="E", stop_bits=1)
