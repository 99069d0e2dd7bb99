"""One table from the first octet of an APDU to the function that reads it.

``decode`` gives a frozen dataclass with an ``encode`` method; everything malformed is RemoteProtocolError.
Services that DLMS knows but this engine does not read yet stand in ``NOT_BUILT`` and raise ServiceNotBuilt,
so that a server can answer them and a client can name them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import (
    acse,
    apdu_action,
    apdu_gbt,
    apdu_get,
    apdu_initiate,
    apdu_other,
    apdu_set,
)
from adapters.protocols.dlms.acse import Aare, Aarq, Rlre, Rlrq
from adapters.protocols.dlms.apdu_action import (
    ActionOutcome,
    ActionRequest,
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponse,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
)
from adapters.protocols.dlms.apdu_common import (
    AttributeDescriptor,
    DataBlock,
    Invoked,
    MethodDescriptor,
    SelectiveAccess,
    ServiceNotBuilt,
    invoke_octet,
)
from adapters.protocols.dlms.apdu_gbt import GeneralBlock
from adapters.protocols.dlms.apdu_get import (
    GetRequest,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponse,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
)
from adapters.protocols.dlms.apdu_initiate import InitiateRequest, InitiateResponse
from adapters.protocols.dlms.apdu_other import (
    Ciphered,
    ConfirmedServiceError,
    DataNotification,
    EventNotification,
    ExceptionResponse,
    GeneralCiphered,
)
from adapters.protocols.dlms.apdu_set import (
    SetRequest,
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponse,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from adapters.protocols.dlms.budget import DEFAULT, Budget, Work
from adapters.protocols.dlms.enums import ApduTag
from adapters.protocols.dlms.general_protection import GeneralCiphering, decode_ciphering

__all__ = [
    "CIPHERED_TAGS", "DECODERS", "NOT_BUILT", "Aare", "Aarq", "ActionOutcome", "ActionRequest",
    "ActionRequestNextPblock", "ActionRequestNormal", "ActionRequestWithFirstPblock",
    "ActionRequestWithList", "ActionRequestWithListAndFirstPblock", "ActionRequestWithPblock",
    "ActionResponse", "ActionResponseNextPblock", "ActionResponseNormal", "ActionResponseWithList",
    "ActionResponseWithPblock", "Apdu", "AttributeDescriptor", "Ciphered", "ConfirmedServiceError",
    "DataBlock", "DataNotification", "EventNotification", "ExceptionResponse", "GeneralBlock",
    "GeneralCiphered", "GeneralCiphering", "GetRequest", "GetRequestNext", "GetRequestNormal",
    "GetRequestWithList", "GetResponse", "GetResponseNormal", "GetResponseWithDatablock",
    "GetResponseWithList", "InitiateRequest", "InitiateResponse", "Invoked", "MethodDescriptor", "Rlre",
    "Rlrq", "SelectiveAccess", "ServiceNotBuilt",
    "SetRequest", "SetRequestNormal", "SetRequestWithDatablock", "SetRequestWithFirstDatablock",
    "SetRequestWithList", "SetRequestWithListAndFirstDatablock", "SetResponse", "SetResponseDatablock",
    "SetResponseLastDatablock", "SetResponseLastDatablockWithList", "SetResponseNormal",
    "SetResponseWithList", "decode", "invoke_octet",
]  # fmt: skip

Apdu: TypeAlias = (
    Aarq | Aare | Rlrq | Rlre | InitiateRequest | InitiateResponse | GetRequest | GetResponse
    | SetRequest | SetResponse | ActionRequest | ActionResponse | DataNotification | GeneralBlock
    | EventNotification | ExceptionResponse | ConfirmedServiceError | Ciphered | GeneralCiphered
    | GeneralCiphering
)  # fmt: skip

CIPHERED_TAGS: frozenset[int] = frozenset(
    tag for tag in ApduTag if tag.name.startswith(("GLO_", "DED_")) or tag.name.startswith("GENERAL_GLO")
) | {ApduTag.GENERAL_DED_CIPHERING, ApduTag.GENERAL_CIPHERING}
"""First octets of APDUs whose content is protected."""

DECODERS: dict[int, Callable[[bytes, Work], Apdu]] = {
    ApduTag.AARQ: acse.decode_aarq,
    ApduTag.AARE: acse.decode_aare,
    ApduTag.RLRQ: acse.decode_rlrq,
    ApduTag.RLRE: acse.decode_rlre,
    ApduTag.INITIATE_REQUEST: apdu_initiate.decode_request,
    ApduTag.INITIATE_RESPONSE: apdu_initiate.decode_response,
    ApduTag.GET_REQUEST: apdu_get.decode_request,
    ApduTag.GET_RESPONSE: apdu_get.decode_response,
    ApduTag.SET_REQUEST: apdu_set.decode_request,
    ApduTag.SET_RESPONSE: apdu_set.decode_response,
    ApduTag.ACTION_REQUEST: apdu_action.decode_request,
    ApduTag.ACTION_RESPONSE: apdu_action.decode_response,
    ApduTag.DATA_NOTIFICATION: apdu_other.decode_data_notification,
    ApduTag.EVENT_NOTIFICATION_REQUEST: apdu_other.decode_event_notification,
    ApduTag.GENERAL_BLOCK_TRANSFER: apdu_gbt.decode_general_block,
    ApduTag.EXCEPTION_RESPONSE: apdu_other.decode_exception_response,
    ApduTag.CONFIRMED_SERVICE_ERROR: apdu_other.decode_confirmed_service_error,
    ApduTag.GENERAL_GLO_CIPHERING: apdu_other.decode_general_ciphered,
    ApduTag.GENERAL_DED_CIPHERING: apdu_other.decode_general_ciphered,
    ApduTag.GENERAL_CIPHERING: lambda buf, _work: decode_ciphering(buf),
    **{tag: apdu_other.decode_ciphered for tag in ApduTag if tag.name.startswith(("GLO_", "DED_"))},
}

NOT_BUILT: dict[int, str] = {
    0x05: "ReadRequest (short names)",
    0x06: "WriteRequest (short names)",
    0x0C: "ReadResponse (short names)",
    0x0D: "WriteResponse (short names)",
    0x16: "UnconfirmedWriteRequest (short names)",
    0x18: "InformationReport (short names)",
    ApduTag.ACCESS_REQUEST: "ACCESS-Request",
    ApduTag.ACCESS_RESPONSE: "ACCESS-Response",
    ApduTag.GENERAL_SIGNING: "general-signing",
}


def decode(buf: bytes, budget: Budget = DEFAULT) -> Apdu:
    """Read one APDU, all of ``buf``. Raises RemoteProtocolError, ServiceNotBuilt among them."""
    if not buf:
        raise RemoteProtocolError("an APDU of no octets")
    reader = DECODERS.get(buf[0])
    if reader is not None:
        return reader(buf, Work(budget, len(buf)))
    if buf[0] in NOT_BUILT:
        raise ServiceNotBuilt(NOT_BUILT[buf[0]], data=buf)
    raise RemoteProtocolError(f"unknown APDU tag {buf[0]:02X}", data=buf)
