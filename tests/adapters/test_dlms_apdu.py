"""The APDU table beyond the golden vectors: refusals, places kept, ACSE as foreign meters write it."""

import pytest

from adapters.errors import LocalProtocolError, RemoteProtocolError
from adapters.protocols.dlms import acse, apdu
from adapters.protocols.dlms.apdu_common import SelectiveAccess, invoke_octet
from adapters.protocols.dlms.data import structure, unsigned
from adapters.protocols.dlms.describe import describe, describe_data
from adapters.protocols.dlms.enums import (
    AcseProviderDiagnostic,
    AcseUserDiagnostic,
    ActionResult,
    ApduTag,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
    DiagnosticSource,
    MechanismId,
    ReleaseReason,
    ServiceError,
    StateError,
)
from adapters.protocols.dlms.units import UNIT_SYMBOLS, unit_code, unit_symbol

ATTRIBUTE = apdu.AttributeDescriptor(7, bytes((1, 0, 99, 1, 0, 255)), 2)
SELECTION = SelectiveAccess(2, structure(unsigned(1), unsigned(2)))
METHOD = apdu.MethodDescriptor(18, bytes((0, 0, 44, 0, 0, 255)), 2)
BLOCK = apdu.DataBlock(last=False, number=1, raw=bytes(130))
LAST_BLOCK = apdu.DataBlock(last=True, number=70_000, raw=b"end")

ROUND_TRIPS = [
    apdu.GetRequestNormal(invoke=0xC1, attribute=ATTRIBUTE, selection=SELECTION),
    apdu.GetRequestWithList(invoke=0xC1, attributes=((ATTRIBUTE, SELECTION), (ATTRIBUTE, None))),
    apdu.GetResponseWithDatablock(invoke=0xC1, last=False, block_number=3, raw=bytes(200)),
    apdu.GetResponseWithDatablock(
        invoke=0xC1, last=True, block_number=3, result=DataAccessResult.LONG_GET_ABORTED
    ),
    apdu.GetResponseWithList(invoke=0xC1, results=(unsigned(1), DataAccessResult.OBJECT_UNDEFINED)),
    apdu.SetRequestNormal(invoke=0x81, attribute=ATTRIBUTE, data=unsigned(1), selection=SELECTION),
    apdu.SetRequestWithFirstDatablock(invoke=0xC1, attribute=ATTRIBUTE, block=BLOCK, selection=SELECTION),
    apdu.SetRequestWithFirstDatablock(invoke=0xC1, attribute=ATTRIBUTE, block=BLOCK),
    apdu.SetRequestWithDatablock(invoke=0xC1, block=LAST_BLOCK),
    apdu.SetRequestWithList(
        invoke=0xC1,
        attributes=((ATTRIBUTE, SELECTION), (ATTRIBUTE, None)),
        values=(unsigned(1), unsigned(2)),
    ),
    apdu.SetRequestWithListAndFirstDatablock(
        invoke=0xC1, attributes=((ATTRIBUTE, SELECTION), (ATTRIBUTE, None)), block=BLOCK
    ),
    apdu.SetResponseDatablock(invoke=0xC1, block_number=3),
    apdu.SetResponseLastDatablock(
        invoke=0xC1, result=DataAccessResult.DATA_BLOCK_NUMBER_INVALID, block_number=3
    ),
    apdu.SetResponseLastDatablockWithList(
        invoke=0xC1, results=(DataAccessResult.SUCCESS, DataAccessResult.TYPE_UNMATCHED), block_number=3
    ),
    apdu.SetResponseWithList(invoke=0xC1, results=(DataAccessResult.SUCCESS,) * 200),
    apdu.ActionRequestNextPblock(invoke=0xC1, block_number=70_000),
    apdu.ActionRequestWithList(invoke=0xC1, methods=(METHOD, METHOD), values=(unsigned(1), unsigned(2))),
    apdu.ActionRequestWithFirstPblock(invoke=0xC1, method=METHOD, block=BLOCK),
    apdu.ActionRequestWithListAndFirstPblock(invoke=0xC1, methods=(METHOD, METHOD), block=BLOCK),
    apdu.ActionRequestWithPblock(invoke=0xC1, block=LAST_BLOCK),
    apdu.ActionResponseWithPblock(invoke=0xC1, block=LAST_BLOCK),
    apdu.ActionResponseWithList(
        invoke=0xC1,
        outcomes=(
            apdu.ActionOutcome(result=ActionResult.SUCCESS, data=unsigned(1)),
            apdu.ActionOutcome(result=ActionResult.SUCCESS, data_result=DataAccessResult.OTHER_REASON),
            apdu.ActionOutcome(result=ActionResult.OBJECT_UNDEFINED),
        ),
    ),
    apdu.ActionResponseNextPblock(invoke=0xC1, block_number=1),
    apdu.GeneralBlock(last=True, streaming=True, window=63, number=65_535, acknowledged=1, raw=bytes(300)),
    apdu.GeneralBlock(last=False, streaming=False, window=0, number=1, acknowledged=0),
    apdu.DataNotification(long_invoke=7, date_time=bytes(12), body=unsigned(1)),
    apdu.EventNotification(time=None, attribute=ATTRIBUTE, data=unsigned(1)),
    apdu.EventNotification(time=bytes(12), attribute=ATTRIBUTE, data=unsigned(1)),
    apdu.InitiateRequest(
        conformance=Conformance.GET,
        max_pdu=100,
        dedicated_key=bytes(16),
        response_allowed=False,
        quality_of_service=1,
    ),
    apdu.InitiateResponse(conformance=Conformance.GET, max_pdu=100, quality_of_service=2, vaa=0xFA00),
    apdu.Aarq(
        context=ApplicationContext.LN_CIPHERED,
        mechanism=MechanismId.HLS_GMAC,
        authentication_value=bytes(range(64)),
        acse_requirements=True,
        calling_ap_title=b"MBECLNT1",
        called_ap_title=b"MBESERV1",
        calling_ae_qualifier=b"cert",
        calling_ae_invocation_id=200,
        user_information=bytes(200),
    ),
    apdu.Aare(
        result=AssociationResult.REJECTED_TRANSIENT,
        source=DiagnosticSource.ACSE_SERVICE_PROVIDER,
        diagnostic=AcseProviderDiagnostic.NO_COMMON_ACSE_VERSION,
        responding_ae_qualifier=b"cert",
    ),
    apdu.Rlrq(reason=ReleaseReason.USER_DEFINED, user_information=b"\x21\x00"),
    apdu.Rlre(reason=ReleaseReason.URGENT_OR_NOT_FINISHED),
]


@pytest.mark.parametrize("value", ROUND_TRIPS, ids=lambda value: type(value).__name__)
def test_apdu_round_trip_keeps_every_field(value: apdu.Apdu) -> None:
    """What is encoded decodes to an equal value, and nothing shorter or longer does."""
    raw = value.encode()
    assert value == apdu.decode(raw)
    assert describe(raw)
    for wrong in (raw[:-1], raw + b"\x00"):
        with pytest.raises(RemoteProtocolError):
            apdu.decode(wrong)


def test_apdu_invoke_octet_has_id_class_and_priority() -> None:
    """Bits 0-3 are the id, bit 6 asks for an answer, bit 7 is the priority."""
    assert invoke_octet(1) == 0xC1
    assert invoke_octet(1, confirmed=False) == 0x81
    assert invoke_octet(15, high_priority=False) == 0x4F
    request = apdu.GetRequestNormal(invoke=0x8F, attribute=ATTRIBUTE)
    assert (request.invoke_id, request.confirmed, request.high_priority) == (15, False, True)
    assert "unconfirmed" in describe(request.encode())


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("d900000000", "ACCESS-Request"),
        ("df00", "general-signing"),
        ("0500", "ReadRequest (short names)"),
    ],
)
def test_apdu_service_not_built_is_named(raw: str, name: str) -> None:
    """The table has a place for each, and a server can answer what it cannot read."""
    with pytest.raises(apdu.ServiceNotBuilt) as caught:
        apdu.decode(bytes.fromhex(raw))
    assert caught.value.name == name


@pytest.mark.parametrize(
    "raw", ["c004c1", "c404c1", "c107c1", "c506c1", "c307c1", "c705c1", "c0", "c4", "c1"]
)
def test_apdu_unknown_kind_of_a_service_is_refused(raw: str) -> None:
    """A kind DLMS does not know is malformed, not merely not built."""
    with pytest.raises(RemoteProtocolError) as caught:
        apdu.decode(bytes.fromhex(raw))
    assert not isinstance(caught.value, apdu.ServiceNotBuilt)


@pytest.mark.parametrize(
    "raw",
    [
        "c401c10105",  # data-access-result 5 does not exist
        "c401c102",
        "c501c105",
        "c701c10500",
        "c701c1000105",
        "d80302",
        "d80107",
        "d8010200",
        "d801060000",
        "0e070000",
        "0e010800",
        "0f000000000100 00",  # a date-time of one octet
        "db0500000000000430000000",
        "0800065f1f0400000010 01",
        "08000601",
        "01000000065e1f0400000010 0100",
        "01000000065f1f0300000010 0100",
        "010200",
    ],
)
def test_apdu_field_out_of_its_set_is_refused(raw: str) -> None:
    """Enumerations are closed and lengths exact."""
    with pytest.raises(RemoteProtocolError):
        apdu.decode(bytes.fromhex(raw))


def test_apdu_that_contradicts_itself_is_not_sent() -> None:
    """Success needs data, and an invocation counter its own error."""
    for wrong in (
        apdu.GetResponseNormal(invoke=0xC1),
        apdu.ExceptionResponse(
            state=StateError.SERVICE_NOT_ALLOWED, service=ServiceError.INVOCATION_COUNTER_ERROR
        ),
        apdu.ExceptionResponse(
            state=StateError.SERVICE_NOT_ALLOWED, service=ServiceError.OTHER_REASON, invocation_counter=1
        ),
        apdu.GetRequestNormal(invoke=0xC1, attribute=apdu.AttributeDescriptor(3, b"", 2)),
    ):
        with pytest.raises(LocalProtocolError):
            wrong.encode()


def test_initiate_old_conformance_tag_is_read() -> None:
    """Meters of the first generation write 5F 04 instead of 5F 1F 04."""
    old = bytes.fromhex("0800065F040000501F01F40007")
    new = bytes.fromhex("0800065F1F040000501F01F40007")
    assert apdu.decode(old) == apdu.decode(new)


AARE = ["A109060760857405080101", "A203020100", "A305A103020100", "BE10040E0800065F1F040000501F01F40007"]


def test_acse_fields_may_come_in_any_order_and_unknown_ones_are_passed_over() -> None:
    """Foreign meters order and decorate the fields as they like."""
    expected = acse.decode(bytes.fromhex("6129" + "".join(AARE)))
    for fields in (AARE[::-1], [AARE[2], AARE[0], AARE[3], AARE[1]], ["80020780", *AARE, "BD0204 00"]):
        content = bytes.fromhex("".join(fields))
        assert expected == acse.decode(b"\x61" + bytes((len(content),)) + content)


def test_acse_object_identifiers_may_come_without_their_own_tag() -> None:
    """The context name bare, the mechanism name wrapped: both are met."""
    bare = bytes.fromhex(
        "601AA10760857405080101" + "8B090607608574050802 01".replace(" ", "") + "AC048002 6162"
    )
    aarq = acse.decode(bare[:1] + bytes((len(bare) - 2,)) + bare[2:])
    assert isinstance(aarq, acse.Aarq)
    assert (aarq.context, aarq.mechanism, aarq.authentication_value) == (
        ApplicationContext.LN,
        MechanismId.LLS,
        b"ab",
    )


def test_acse_authentication_value_may_be_a_bit_string() -> None:
    """A challenge as a bit string loses its count of unused bits."""
    content = bytes.fromhex("A109060760857405080101AC0481 02 0061".replace(" ", ""))
    aarq = acse.decode(b"\x60" + bytes((len(content),)) + content)
    assert isinstance(aarq, acse.Aarq)
    assert aarq.authentication_value == b"a"


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "A203020100A305A103020100",
        "A109060760857405080101",
        "A109060760857405080101A203020103A305A103020100",
        "A109060760857405080101A203020100A305A103020120",
        "A109060760857405080101A203020100A305A303020100",
        "A109060760857405080105A203020100A305A103020100",
        "A109060760857405090101A203020100A305A103020100",
        "A109060760857405080101A203020100A305A1030201008907608574050802 09",
        "A109060760857405080101A203020100A305A103020100AA03820161",
        "A109060760857405080101A2020200A305A103020100",
        "A109060760857405080101A203020100A305A103020100A40204",
        "A109060760857405080101A203020100A305A103020100BE03040561",
    ],
)
def test_acse_malformed_aare_is_refused(fields: str) -> None:
    """Missing, unknown and broken fields end in the one error."""
    content = bytes.fromhex(fields)
    with pytest.raises(RemoteProtocolError):
        acse.decode(b"\x61" + bytes((len(content),)) + content)


@pytest.mark.parametrize("raw", ["", "c0", "6100ff", "62038002", "6203800102", "628000"])
def test_acse_other_bytes_are_refused(raw: str) -> None:
    """Neither nothing nor something else is an ACSE APDU."""
    with pytest.raises(RemoteProtocolError):
        acse.decode(bytes.fromhex(raw))


def test_acse_number_of_fields_is_bounded() -> None:
    """A field list without end is cut off."""
    content = b"".join(bytes((tag, 0)) for tag in range(1, 60))
    with pytest.raises(RemoteProtocolError, match="more than 32"):
        acse.decode(b"\x61" + bytes((len(content),)) + content)


def test_describe_never_shows_what_was_proven_or_written() -> None:
    """Passwords, challenges, dedicated keys and written values stay out of transcripts."""
    secret = b"TopSecretWord"
    lines = [
        describe(
            apdu.Aarq(
                mechanism=MechanismId.LLS,
                authentication_value=secret,
                user_information=apdu.InitiateRequest(
                    conformance=Conformance.GET, max_pdu=1, dedicated_key=secret
                ).encode(),
            ).encode()
        ),
        describe(
            apdu.SetRequestNormal(
                invoke=0xC1, attribute=ATTRIBUTE, data=structure(apdu_octets := unsigned(77))
            ).encode()
        ),
        describe(
            apdu.ActionRequestNormal(
                invoke=0xC1, method=apdu.MethodDescriptor(64, bytes(6), 2), data=structure(apdu_octets)
            ).encode()
        ),
    ]
    for line in lines:
        assert "TopSecret" not in line
        assert secret.hex() not in line
        assert "77" not in line
    assert "***" in lines[0]
    assert "dedicated-key=***" in lines[0]


def test_describe_never_raises_and_never_breaks_the_line() -> None:
    """Malformed APDUs and hostile texts give one printable line."""
    assert describe(b"").startswith("nothing, 0 octets, unreadable")
    assert describe(b"\xff\x00").startswith("tag FF, 2 octets, unreadable")
    assert describe(b"\xc4\x01").startswith("get-response, 2 octets, unreadable")
    hostile = apdu.decode(bytes.fromhex("c401c1000a041b5b0a07"))
    assert describe(hostile.encode()).isprintable()
    assert describe(b"\xc8\x02\x30\x00").endswith("no security header")


def test_describe_data_is_short() -> None:
    """Long strings and lists are abbreviated and counted."""
    from adapters.protocols.dlms import data as d

    assert describe_data(d.octet_string(bytes(100))).endswith("... 100 octets")
    assert describe_data(d.array(*[d.unsigned(1)] * 9)).endswith(", ... 9 in all)")
    assert describe_data(d.bit_string("101")) == "bit-string 101"
    assert describe_data(d.visible_string("x" * 50)).endswith('..."')
    assert describe_data(d.null()) == "null-data"


def test_enums_know_their_standard_names() -> None:
    """Labels are the standard's, and lead back."""
    assert DataAccessResult.READ_WRITE_DENIED.label == "read-write-denied"
    assert DataAccessResult.from_label("object-undefined") is DataAccessResult.OBJECT_UNDEFINED
    assert AcseUserDiagnostic(13).label == "authentication-failure"
    assert ApduTag(0xC8).label == "glo-get-request"
    block = Conformance.from_labels(("get", "set", "action"))
    assert int(block) == 0x19
    assert block.labels() == ("get", "set", "action")
    assert Conformance(0x007E1F).labels()[0] == "priority-mgmt-supported"
    with pytest.raises(KeyError):
        Conformance.from_labels(["flying"])


def test_units_have_symbols_and_codes() -> None:
    """The unit table reads both ways; codes it does not name are shown as they are."""
    assert unit_symbol(30) == "Wh"
    assert unit_code("V") == 35
    assert unit_symbol(200) == "unit(200)"
    assert UNIT_SYMBOLS[255] == ""
    with pytest.raises(KeyError):
        unit_code("furlong")
