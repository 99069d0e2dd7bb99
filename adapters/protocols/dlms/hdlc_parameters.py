"""The parameters an SNRM proposes and an UA settles (IEC 62056-46 6.4.4.4.3.2).

    81 80 LEN { 05 max information field, transmit | 06 ..., receive | 07 window, transmit | 08 ..., receive }

Each as identifier, length, value. Both frames speak from their sender's side: what the meter transmits is
what we receive. A parameter that is absent has its default: 128 octets, window 1.
"""

from __future__ import annotations

from typing import Final

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms.hdlc_frame import MAX_INFO_OCTETS
from adapters.protocols.dlms.link import LinkParameters

DEFAULTS: Final = LinkParameters()

_FORMAT: Final = 0x81
_GROUP: Final = 0x80
_USER_GROUP: Final = 0xF0
_MAX_INFO_TRANSMIT, _MAX_INFO_RECEIVE, _WINDOW_TRANSMIT, _WINDOW_RECEIVE = 5, 6, 7, 8


def validated(parameters: LinkParameters) -> LinkParameters:
    """Return ``parameters`` when HDLC can work with them, else raise LocalProtocolError."""
    for octets in (parameters.max_info_transmit, parameters.max_info_receive):
        if not 4 <= octets <= MAX_INFO_OCTETS:
            raise LocalProtocolError(
                f"information field of {octets} octets: 4 to {MAX_INFO_OCTETS} is possible"
            )
    for window in (parameters.window_transmit, parameters.window_receive):
        if not 1 <= window <= 7:
            raise LocalProtocolError(f"window of {window} frames: 1 to 7 is possible")
    return parameters


def encode_parameters(parameters: LinkParameters) -> bytes:
    """Return the information field of an SNRM or UA that states ``parameters``."""
    body = b""
    for identifier, octets in (
        (_MAX_INFO_TRANSMIT, parameters.max_info_transmit),
        (_MAX_INFO_RECEIVE, parameters.max_info_receive),
    ):
        size = 1 if octets < 0x100 else 2
        body += bytes((identifier, size)) + octets.to_bytes(size, "big")
    for identifier, window in (
        (_WINDOW_TRANSMIT, parameters.window_transmit),
        (_WINDOW_RECEIVE, parameters.window_receive),
    ):
        body += bytes((identifier, 4)) + window.to_bytes(4, "big")
    return bytes((_FORMAT, _GROUP, len(body))) + body


def decode_parameters(information: bytes) -> LinkParameters:
    """Return what an SNRM or UA states, as its sender sees it; an empty field means the defaults.

    Unknown parameters and the user-defined group are passed over. Raises RemoteProtocolError.
    """
    if not information:
        return DEFAULTS
    found = _numbers(information)
    try:
        return validated(
            LinkParameters(
                max_info_transmit=min(found.get(_MAX_INFO_TRANSMIT, 128), MAX_INFO_OCTETS),
                max_info_receive=min(found.get(_MAX_INFO_RECEIVE, 128), MAX_INFO_OCTETS),
                window_transmit=found.get(_WINDOW_TRANSMIT, 1),
                window_receive=found.get(_WINDOW_RECEIVE, 1),
            )
        )
    except LocalProtocolError as error:
        raise _wrong(str(error), information) from None


def settled(own: LinkParameters, peer: LinkParameters) -> LinkParameters:
    """Return what holds on our side when we want ``own`` and the peer, from its side, states ``peer``."""
    return LinkParameters(
        max_info_transmit=min(own.max_info_transmit, peer.max_info_receive),
        max_info_receive=min(own.max_info_receive, peer.max_info_transmit),
        window_transmit=min(own.window_transmit, peer.window_receive),
        window_receive=min(own.window_receive, peer.window_transmit),
    )


def _numbers(information: bytes) -> dict[int, int]:
    """Return identifier -> value of the first parameter group."""
    if len(information) < 3 or information[0] != _FORMAT:
        raise _wrong("format identifier is not 0x81", information)
    if information[1] == _USER_GROUP:
        return {}
    if information[1] != _GROUP:
        raise _wrong(f"group identifier {information[1]:#04x} is not 0x80", information)
    index, end = 3, 3 + information[2]
    if end > len(information):
        raise _wrong("parameter group longer than the field", information)
    found: dict[int, int] = {}
    while index < end:
        if index + 2 > end or index + 2 + information[index + 1] > end:
            raise _wrong("parameter cut off", information)
        size = information[index + 1]
        found[information[index]] = int.from_bytes(information[index + 2 : index + 2 + size], "big")
        index += 2 + size
    return found


def _wrong(what: str, information: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"HDLC parameters: {what}", data=information, clause="IEC 62056-46 6.4.4.4.3.2", frame_intact=True
    )
