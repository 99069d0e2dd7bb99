"""One readable line per APDU, for transcripts: never raises, never prints a password, key or challenge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.errors import ProtocolError
from adapters.protocols.dlms import apdu as apdus
from adapters.protocols.dlms.apdu_common import Invoked, SelectiveAccess
from adapters.protocols.dlms.budget import Budget
from adapters.protocols.dlms.data import BitString, CompactArray, Data
from adapters.protocols.dlms.enums import ApduTag, AssociationResult, DataAccessResult
from adapters.protocols.dlms.general_protection import (
    ONE_PASS,
    STATIC_UNIFIED,
    AgreedKey,
    IdentifiedKey,
    KeyInformation,
    WrappedKey,
)
from adapters.protocols.dlms.security import SecurityControl

_BUDGET = Budget(items=20_000)
_SHOWN_ITEMS = 4
_SHOWN_OCTETS = 24


def obis(instance_id: bytes) -> str:
    """Return an OBIS code as ``A-B:C.D.E.F``."""
    a, b, c, d, e, f = instance_id
    return f"{a}-{b}:{c}.{d}.{e}.{f}"


def describe_data(data: Data) -> str:
    """Return ``data`` in short: type and value, long ones abbreviated."""
    value = data.value
    if isinstance(value, bytes):
        shown = value[:_SHOWN_OCTETS].hex()
        more = f"... {len(value)} octets" if len(value) > _SHOWN_OCTETS else ""
        return f"{data.tag.label} {shown}{more}"
    if isinstance(value, str):
        shown = value[:_SHOWN_OCTETS].encode("unicode_escape").decode("ascii")
        return f'{data.tag.label} "{shown}{"..." if len(value) > _SHOWN_OCTETS else ""}"'
    if isinstance(value, (tuple, CompactArray)):
        items = data.items()
        shown = ", ".join(describe_data(item) for item in items[:_SHOWN_ITEMS])
        more = f", ... {len(items)} in all" if len(items) > _SHOWN_ITEMS else ""
        return f"{data.tag.label}({shown}{more})"
    if isinstance(value, BitString):
        return f"{data.tag.label} {str(value)[:64]}"
    return data.tag.label if value is None else f"{data.tag.label} {value}"


def _invoke(apdu: Invoked) -> str:
    return f"inv={apdu.invoke_id}" + ("" if apdu.confirmed else " unconfirmed")


def _attribute(attribute: apdus.AttributeDescriptor) -> str:
    return f"class={attribute.class_id} {obis(attribute.instance_id)} attr={attribute.attribute_id}"


def _selection(selection: SelectiveAccess | None) -> str:
    return "" if selection is None else f" selector={selection.selector}"


def _result(data: Data | None, result: DataAccessResult | None) -> str:
    if data is not None:
        return describe_data(data)
    return "no data" if result is None else result.label


def _aarq(apdu: apdus.Aarq) -> str:
    text = f"AARQ {apdu.context.label} mechanism={apdu.mechanism.label}"
    if apdu.calling_ap_title:
        text += f" client={apdu.calling_ap_title.hex()}"
    if apdu.authentication_value is not None:
        text += " authentication=***"
    return text + _initiate(apdu.user_information)


def _aare(apdu: apdus.Aare) -> str:
    text = f"AARE {apdu.result.label}"
    if apdu.result is not AssociationResult.ACCEPTED or apdu.diagnostic:
        text += f", {apdu.source.label}: {apdu.diagnostic.label}"
    if apdu.responding_ap_title:
        text += f" server={apdu.responding_ap_title.hex()}"
    if apdu.authentication_value is not None:
        text += " authentication=***"
    return text + _initiate(apdu.user_information)


def _initiate(information: bytes) -> str:
    return f" [{describe(information)}]" if information else ""


def _reason(apdu: apdus.Rlrq | apdus.Rlre) -> str:
    return "" if apdu.reason is None else f" {apdu.reason.label}"


def _conformance(apdu: apdus.InitiateRequest | apdus.InitiateResponse) -> str:
    return f"version={apdu.version} conformance={int(apdu.conformance):06x} max-pdu={apdu.max_pdu}"


def _exception(apdu: apdus.ExceptionResponse) -> str:
    text = f"Exception-Response {apdu.state.label}, {apdu.service.label}"
    return text if apdu.invocation_counter is None else f"{text}, expected ic={apdu.invocation_counter}"


def _header(body: bytes) -> str:
    if len(body) < 5:
        return f"{len(body)} octets, no security header"
    control = body[0]
    policy = "".join(
        letter
        for letter, bit in (("A", SecurityControl.AUTHENTICATED), ("E", SecurityControl.ENCRYPTED))
        if control & bit
    )
    suite = f" suite={control & 0x0F}" if control & 0x0F else ""
    return f"ic={int.from_bytes(body[1:5], 'big')} policy={policy or 'none'}{suite} {len(body)} octets"


def _key(key: KeyInformation | None) -> str:
    match key:
        case AgreedKey(scheme=scheme):
            return {ONE_PASS: "one-pass key", STATIC_UNIFIED: "static key"}.get(scheme, "agreed key")
        case WrappedKey():
            return "wrapped key"
        case IdentifiedKey(key_id=1):
            return "broadcast key"
    return "unicast key"


def _get_block(apdu: apdus.GetResponseWithDatablock) -> str:
    last = " last" if apdu.last else ""
    what = apdu.result.label if apdu.raw is None else f"{len(apdu.raw)} octets"
    return f"GET-Response datablock {_invoke(apdu)} block={apdu.block_number}{last} {what}"


def _get_list(apdu: apdus.GetResponseWithList) -> str:
    shown = ", ".join(
        describe_data(item) if isinstance(item, Data) else item.label for item in apdu.results[:_SHOWN_ITEMS]
    )
    return f"GET-Response with-list {_invoke(apdu)} {len(apdu.results)} results: {shown}"


def _set_request(apdu: apdus.SetRequestNormal) -> str:
    # What is written, and what a method is given, may be a secret: only the type is told.
    where = _attribute(apdu.attribute) + _selection(apdu.selection)
    return f"SET-Request normal {_invoke(apdu)} {where} {apdu.data.tag.label}"


def _block(apdu: Any) -> str:
    block = apdu.block
    return f"{_invoke(apdu)} block={block.number}{' last' if block.last else ''} {len(block.raw)} octets"


def _labels(results: Any) -> str:
    shown = ", ".join(item.label for item in results[:_SHOWN_ITEMS])
    return f"{len(results)} results: {shown}"


def _general_block(apdu: apdus.GeneralBlock) -> str:
    flags = f"{' last' if apdu.last else ''}{' streaming' if apdu.streaming else ''}"
    numbers = f"block={apdu.number} acknowledges={apdu.acknowledged} window={apdu.window}"
    return f"General-Block-Transfer {numbers}{flags} {len(apdu.raw)} octets"


def _action_response(apdu: apdus.ActionResponseNormal) -> str:
    text = f"ACTION-Response normal {_invoke(apdu)} {apdu.result.label}"
    if apdu.data is not None:
        return f"{text}, returns {apdu.data.tag.label}"
    return text if apdu.data_result is None else f"{text}, returns {apdu.data_result.label}"


def _notification(apdu: apdus.DataNotification) -> str:
    return f"Data-Notification {apdu.long_invoke & 0xFFFFFF} {describe_data(apdu.body)}"


_LINES: dict[type, Callable[[Any], str]] = {
    apdus.Aarq: _aarq,
    apdus.Aare: _aare,
    apdus.Rlrq: lambda a: f"RLRQ{_reason(a)}{_initiate(a.user_information)}",
    apdus.Rlre: lambda a: f"RLRE{_reason(a)}{_initiate(a.user_information)}",
    apdus.InitiateRequest: lambda a: (
        f"Initiate-Request {_conformance(a)}{' dedicated-key=***' if a.dedicated_key else ''}"
    ),
    apdus.InitiateResponse: lambda a: f"Initiate-Response {_conformance(a)}",
    apdus.GetRequestNormal: lambda a: (
        f"GET-Request normal {_invoke(a)} {_attribute(a.attribute)}{_selection(a.selection)}"
    ),
    apdus.GetRequestNext: lambda a: f"GET-Request next {_invoke(a)} block={a.block_number}",
    apdus.GetRequestWithList: lambda a: f"GET-Request with-list {_invoke(a)} {len(a.attributes)} attributes",
    apdus.GetResponseNormal: lambda a: f"GET-Response normal {_invoke(a)} {_result(a.data, a.result)}",
    apdus.GetResponseWithDatablock: _get_block,
    apdus.GetResponseWithList: _get_list,
    apdus.SetRequestNormal: _set_request,
    apdus.SetRequestWithFirstDatablock: lambda a: (
        f"SET-Request first-datablock {_attribute(a.attribute)}{_selection(a.selection)} {_block(a)}"
    ),
    apdus.SetRequestWithDatablock: lambda a: f"SET-Request datablock {_block(a)}",
    apdus.SetRequestWithList: lambda a: f"SET-Request with-list {_invoke(a)} {len(a.attributes)} attributes",
    apdus.SetRequestWithListAndFirstDatablock: lambda a: (
        f"SET-Request with-list first-datablock {len(a.attributes)} attributes {_block(a)}"
    ),
    apdus.SetResponseDatablock: lambda a: f"SET-Response datablock {_invoke(a)} block={a.block_number}",
    apdus.SetResponseLastDatablock: lambda a: (
        f"SET-Response last-datablock {_invoke(a)} block={a.block_number} {a.result.label}"
    ),
    apdus.SetResponseLastDatablockWithList: lambda a: (
        f"SET-Response last-datablock with-list {_invoke(a)} block={a.block_number} {_labels(a.results)}"
    ),
    apdus.SetResponseWithList: lambda a: f"SET-Response with-list {_invoke(a)} {_labels(a.results)}",
    apdus.ActionRequestNextPblock: lambda a: f"ACTION-Request next {_invoke(a)} block={a.block_number}",
    apdus.ActionRequestWithList: lambda a: f"ACTION-Request with-list {_invoke(a)} {len(a.methods)} methods",
    apdus.ActionRequestWithFirstPblock: lambda a: (
        f"ACTION-Request first-pblock class={a.method.class_id} {obis(a.method.instance_id)}"
        f" method={a.method.method_id} {_block(a)}"
    ),
    apdus.ActionRequestWithListAndFirstPblock: lambda a: (
        f"ACTION-Request with-list first-pblock {len(a.methods)} methods {_block(a)}"
    ),
    apdus.ActionRequestWithPblock: lambda a: f"ACTION-Request pblock {_block(a)}",
    apdus.ActionResponseWithPblock: lambda a: f"ACTION-Response pblock {_block(a)}",
    apdus.ActionResponseWithList: lambda a: (
        f"ACTION-Response with-list {_invoke(a)} {_labels([outcome.result for outcome in a.outcomes])}"
    ),
    apdus.ActionResponseNextPblock: lambda a: f"ACTION-Response next {_invoke(a)} block={a.block_number}",
    apdus.GeneralBlock: _general_block,
    apdus.SetResponseNormal: lambda a: f"SET-Response normal {_invoke(a)} {a.result.label}",
    apdus.ActionRequestNormal: lambda a: (
        f"ACTION-Request normal {_invoke(a)} class={a.method.class_id} {obis(a.method.instance_id)}"
        f" method={a.method.method_id}{'' if a.data is None else ' ' + a.data.tag.label}"
    ),
    apdus.ActionResponseNormal: _action_response,
    apdus.DataNotification: _notification,
    apdus.EventNotification: lambda a: (
        f"Event-Notification {_attribute(a.attribute)} {describe_data(a.data)}"
    ),
    apdus.ExceptionResponse: _exception,
    apdus.ConfirmedServiceError: lambda a: (
        f"Confirmed-Service-Error {a.service.label}, {a.error_type.label} {a.value}"
    ),
    apdus.Ciphered: lambda a: f"{a.tag.label} {_header(a.body)}",
    apdus.GeneralCiphered: lambda a: f"{a.tag.label} from={a.system_title.hex()} {_header(a.body)}",
    apdus.GeneralCiphering: lambda a: (
        f"{ApduTag.GENERAL_CIPHERING.label} from={a.header.originator.hex()} to={a.header.recipient.hex()}"
        f" transaction={a.header.transaction.hex()} {_key(a.key)} {_header(a.content)}"
    ),
}


def describe(apdu: bytes) -> str:
    """Return one line about ``apdu``, also where it is malformed.

    ``GET-Request normal inv=1 class=3 1-0:1.8.0.255 attr=2``,
    ``AARE rejected-permanent, acse-service-user: authentication-failure``,
    ``glo-get-request ic=17 policy=AE 31 octets``. Passwords, challenges, keys and written values never show.
    """
    try:
        decoded = apdus.decode(apdu, _BUDGET)
    except ProtocolError as error:
        try:
            name = ApduTag(apdu[0]).label if apdu else "nothing"
        except ValueError:
            name = f"tag {apdu[0]:02X}"
        return f"{name}, {len(apdu)} octets, unreadable: {error}"
    return _LINES[type(decoded)](decoded)
