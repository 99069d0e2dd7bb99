"""The wrapper of IEC 62056-47 over UDP, both ends: one datagram is one wrapped APDU, or it is nothing.

UDP loses, repeats and delays. What is lost is the application's to ask for again; what comes late carries
an old invoke id and is told apart there. A datagram that is not exactly one message is reported and dropped,
and spoils nothing that comes after it. An answer that comes a second time is dropped too: for the association
it would be a replay by the meter, or an answer nobody asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms.apdu import CIPHERED_TAGS
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.link import FrameDamagedEvent, FrameRejected
from adapters.protocols.dlms.wrapper import (
    HEADER_OCTETS,
    MAX_APDU_OCTETS,
    WrapperClientLink,
    WrapperServerLink,
    decode_datagram,
)

REMEMBERED: Final = 8
"""How many of the last answers are compared with a new one; invoke ids come again after 15."""

_RESPONSES: Final = frozenset({ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE})
_REQUESTS: Final = frozenset({ApduTag.GET_REQUEST, ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST})
_TELLS_ITSELF_APART: Final = CIPHERED_TAGS | _RESPONSES  # by its counter, or by its invoke id
_GET_NEXT: Final = bytes((ApduTag.GET_REQUEST, 2))
_INVOKE: Final = 2  # where a response and a request carry the invoke id


class UdpClientLink(WrapperClientLink):
    """``WrapperClientLink`` whose every ``receive_data`` is one datagram."""

    def __init__(self, client_sap: int, server_sap: int, *, max_apdu: int = MAX_APDU_OCTETS) -> None:
        super().__init__(client_sap, server_sap, max_apdu=max_apdu)
        self._max_apdu = max_apdu
        self._seen: deque[bytes] = deque(maxlen=REMEMBERED)
        self.duplicates = 0

    def send_apdu(self, apdu: bytes) -> None:
        """Send one APDU. Raises LocalProtocolError when not connected or when it is too long."""
        super().send_apdu(apdu)
        if apdu[0] in _REQUESTS and len(apdu) > _INVOKE and apdu[:2] != _GET_NEXT:
            # The invoke id begins a new life: an answer like an earlier one may be meant.
            at, invoke_id = HEADER_OCTETS + _INVOKE, apdu[_INVOKE] & 0x0F
            kept = [
                each
                for each in self._seen
                if each[HEADER_OCTETS] in CIPHERED_TAGS or each[at] & 0x0F != invoke_id
            ]
            self._seen = deque(kept, maxlen=REMEMBERED)

    def receive_data(self, data: bytes) -> None:
        """Take one datagram."""
        try:
            message = decode_datagram(data, self._max_apdu)
        except RemoteProtocolError as error:
            self._events.append(FrameDamagedEvent(data=data, why=str(error)))
            return
        if message.apdu[:1] and message.apdu[0] in _TELLS_ITSELF_APART:
            if data in self._seen:
                self.duplicates += 1
                return
            self._seen.append(data)
        super().receive_data(data)


class UdpServerLink(WrapperServerLink):
    """``WrapperServerLink`` whose every ``receive_data`` is one datagram of one peer.

    ``tolerates`` says whether octets after the APDU are overlooked (no correct server does).
    """

    def __init__(
        self,
        server_sap: int,
        *,
        max_apdu: int = MAX_APDU_OCTETS,
        tolerates: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__((server_sap,), max_apdu=max_apdu)
        self._max_apdu, self._tolerates = max_apdu, tolerates

    def data_to_send(self) -> bytes:
        """Return the next datagram that must go out, and forget it; empty where there is none."""
        return self._out.pop(0) if self._out else b""

    def receive_data(self, data: bytes) -> None:
        """Take one datagram."""
        try:
            decode_datagram(data, self._max_apdu)
        except RemoteProtocolError as error:
            length = HEADER_OCTETS + int.from_bytes(data[6:8], "big")
            if not (HEADER_OCTETS <= length < len(data) and self._tolerates()):
                self._events.append(FrameRejected(data=data, why=str(error)))
                return
            data = data[:length]
        super().receive_data(data)
