"""What a server sends on its own: DataNotification, plain, protected, and in general blocks where it is long.

A push needs no association. Without keys it goes out in the clear; with a ``SecureChannel`` it goes out in
general-glo-ciphering, the only form there is for it (Green Book 9.5: a DataNotification has no tag of its own
service for ciphering).
"""

from __future__ import annotations

from adapters.errors import LocalProtocolError
from adapters.protocols.dlms.apdu_gbt import HEAD_OCTETS
from adapters.protocols.dlms.apdu_other import DataNotification
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.gbt import BlockStream
from adapters.protocols.dlms.secure_channel import SecureChannel

INVOKE_IDS = 1 << 24
_HIGH_PRIORITY = 1 << 31
_CONFIRMED = 1 << 30


class Notifier:
    """Numbers, protects and cuts the notifications of one server to one destination.

    ``channel`` protects them (None: in the clear). ``max_pdu`` is what the destination takes, in octets
    (0: anything); what is longer goes out in general blocks where ``general_blocks`` allows it.
    """

    def __init__(
        self,
        channel: SecureChannel | None = None,
        *,
        max_pdu: int = 0,
        general_blocks: bool = False,
        first_invoke_id: int = 1,
    ) -> None:
        self._channel, self._max_pdu, self._general_blocks = channel, max_pdu, general_blocks
        self._next = first_invoke_id % INVOKE_IDS

    def notify(
        self, body: Data, at: CosemDateTime | None = None, *, high_priority: bool = False
    ) -> tuple[bytes, ...]:
        """Return the APDUs of one notification, to be sent one after the other.

        Raises LocalProtocolError where it is longer than the destination takes and must not be cut.
        """
        long_invoke = self._next | (_HIGH_PRIORITY if high_priority else 0)
        stamp = b"" if at is None else at.octets()
        apdu = DataNotification(long_invoke=long_invoke, date_time=stamp, body=body).encode()
        if self._channel is not None:
            apdu = self._channel.protect(apdu, general=True)
        if not self._max_pdu or len(apdu) <= self._max_pdu:
            apdus: tuple[bytes, ...] = (apdu,)
        elif self._general_blocks:
            stream = BlockStream(size=self._max_pdu - HEAD_OCTETS, window=0)
            apdus = stream.send(apdu, unconfirmed=True)
        else:
            raise LocalProtocolError(
                f"a notification of {len(apdu)} octets where the destination takes {self._max_pdu}"
            )
        self._next = (self._next + 1) % INVOKE_IDS
        return apdus


def invoke_id(notification: DataNotification) -> int:
    """Return the number of a notification, without its bits for priority and service class."""
    return notification.long_invoke & (INVOKE_IDS - 1)


def wants_confirmation(notification: DataNotification) -> bool:
    """Return whether the service-class bit asks for a confirmation; no engine here gives one yet."""
    return bool(notification.long_invoke & _CONFIRMED)
