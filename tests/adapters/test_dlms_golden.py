"""Bytes from outside this project, each with its provenance beside it in tests/golden/dlms_*.yaml."""

from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.errors import RemoteProtocolError
from adapters.protocols.dlms import apdu, axdr
from adapters.protocols.dlms.apdu_initiate import InitiateRequest
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_events import (
    AssociationAccepted,
    AssociationRejected,
    GetAnswered,
    Released,
)
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.data import octet_string
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.describe import describe
from adapters.protocols.dlms.enums import Conformance, MechanismId
from adapters.protocols.dlms.security import CounterReplayed, Keys, SecurityMissing, SecuritySuite0

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> Any:
    """Load a vector file with every scalar as text."""
    return yaml.load((GOLDEN / name).read_text("utf-8"), Loader=yaml.BaseLoader)


def octets(text: str) -> bytes:
    """Read hexadecimal."""
    return bytes.fromhex(text)


def shown(value: object) -> str:
    """Write a field as the vector files do."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum) and hasattr(value, "label"):
        return str(value.label)
    return str(value)


APDUS = golden("dlms_apdu.yaml")
DATA = golden("dlms_data.yaml")
SECURITY = golden("dlms_security.yaml")
GURUX = golden("dlms_gurux.yaml")
EK_AK = Keys(encryption_key=octets(SECURITY["keys"]["ek"]), authentication_key=octets(SECURITY["keys"]["ak"]))


@pytest.mark.parametrize("vector", APDUS, ids=lambda vector: vector["id"])
def test_golden_apdu_decodes_to_its_fields_and_encodes_back(vector: dict[str, Any]) -> None:
    """An APDU from elsewhere gives the fields its source names, and the same octets again."""
    raw = octets(vector["apdu"])
    decoded: object = apdu.decode(raw)
    assert vector["type"] == type(decoded).__name__
    for path, expected in vector.get("fields", {}).items():
        value = decoded
        for name in path.split("."):
            value = getattr(value, name)
        assert expected == shown(value), path
    if vector.get("canonical") != "no":
        assert raw == apdu.decode(raw).encode()
    if "describe" in vector:
        assert vector["describe"] == describe(raw)


@pytest.mark.parametrize("vector", DATA["data"], ids=lambda vector: vector["type"])
def test_golden_data_decodes_to_its_value_and_encodes_back(vector: dict[str, str]) -> None:
    """A-XDR octets made elsewhere give the value they were made from, and the same octets again."""
    raw = octets(vector["hex"])
    decoded = axdr.decode_data(raw)
    assert vector["type"] == decoded.tag.label
    assert vector["value"] == shown(decoded.plain())
    assert raw == axdr.encode_data(decoded)


@pytest.mark.parametrize("vector", DATA["date_times"], ids=lambda vector: vector["octets"])
def test_golden_date_time_names_its_moment(vector: dict[str, str]) -> None:
    """UTC is local time plus deviation, whatever the sign elsewhere."""
    stamp = CosemDateTime.from_octets(octets(vector["octets"]))
    assert octets(vector["octets"]) == stamp.octets()
    if vector["utc"] == "none":
        with pytest.raises(RemoteProtocolError):
            stamp.utc()
    else:
        assert vector["utc"] == stamp.utc().isoformat()


@pytest.mark.parametrize("vector", SECURITY["protected"], ids=lambda vector: vector["id"])
def test_golden_ciphered_body_matches_both_ways(vector: dict[str, str]) -> None:
    """The Green Book's ciphered APDUs come out of protect and go into unprotect."""
    suite, title = SecuritySuite0(EK_AK), octets(vector["title"])
    plain, body = octets(vector["plain"]), octets(vector["body"])
    control, counter = body[0], int.from_bytes(body[1:5], "big")
    assert body == suite.protect(plain, title, counter, control)
    assert (plain, control, counter) == suite.unprotect(body, title)


@pytest.mark.parametrize("vector", SECURITY["proofs"], ids=lambda vector: vector["id"])
def test_golden_hls_proof_matches_both_ways(vector: dict[str, str]) -> None:
    """The Green Book's HLS mechanism 5 example, pass 3 and pass 4."""
    suite, title = SecuritySuite0(EK_AK), octets(vector["title"])
    challenge, proof = octets(vector["challenge"]), octets(vector["proof"])
    counter = int.from_bytes(proof[1:5], "big")
    assert proof == suite.prove(challenge, title, counter)
    assert counter == suite.check_proof(proof, challenge, title)


def gosem_client(counter: int) -> ClientAssociation:
    """Return our client set up like the one that recorded the session."""
    vector = SECURITY["session"]
    key = octets(vector["key"])
    return ClientAssociation(
        ClientSettings(
            mechanism=MechanismId.LLS,
            secret=vector["password"].encode(),
            keys=Keys(encryption_key=key, authentication_key=key),
            system_title=octets(vector["title"]),
            ciphered=True,
            dedicated_key=octets(vector["dedicated_key"]),
            invocation_counter=counter,
            conformance=Conformance(0x00181F),
            max_pdu=512,
        )
    )


def test_golden_ciphered_session_is_reproduced_octet_by_octet() -> None:
    """A session another client had with a meter: our requests are its octets, its answers are understood."""
    vector = SECURITY["session"]
    client = gosem_client(int(vector["counter"], 16))
    assert octets(vector["aarq"]) == client.associate()
    accepted = client.receive(octets(vector["aare"]))
    assert isinstance(accepted, AssociationAccepted)
    assert accepted.negotiated.max_pdu == 250
    clock = (8, bytes((0, 0, 1, 0, 0, 255)), 2)
    assert octets(vector["get"]) == client.get(*clock)
    answer = client.receive(octets(vector["got"]))
    assert answer == GetAnswered(data=octet_string(octets(vector["clock"])), ciphered=True)

    client.get(*clock)
    with pytest.raises(CounterReplayed):  # the meter's answer again
        client.receive(octets(vector["got"]))
    with pytest.raises(SecurityMissing):  # an answer nobody ciphered
        client.receive(octets(vector["plain_reply"]))
    client.give_up()

    assert octets(vector["rlrq"]) == client.release()
    assert isinstance(client.receive(octets(vector["rlre"])), Released)


def test_golden_rejection_ciphered_with_unknown_keys_is_still_a_rejection() -> None:
    """A meter that ciphers its initiate error with keys we do not have has refused all the same."""
    for name in ("aare", "refused_counter"):
        client = gosem_client(0x59)
        client.associate()
        event = client.receive(octets(SECURITY["wrong_keys"][name]))
        assert isinstance(event, AssociationRejected)
    assert event.service_error is not None
    assert event.service_error.value == 5


def gurux_like(name: str) -> ClientAssociation:
    """Return our client set up like the gurux client ``name`` of the vector file."""
    settings: dict[str, Any] = {"conformance": Conformance(0x401E5D), "max_pdu": 0xFFFF}
    if name == "lls":
        settings |= {"mechanism": MechanismId.LLS, "secret": b"12345678"}
    elif name != "none":
        settings |= {
            "mechanism": MechanismId.HLS_GMAC,
            "keys": EK_AK,
            "system_title": octets("4D4D4D0000000001"),
            "ciphered": True,
            "invocation_counter": 0x01234567,
            "control": {"authenticated": 0x10, "encrypted": 0x20, "both": 0x30}[name.split("-")[1]],
        }
    return ClientAssociation(ClientSettings(**settings), challenge=b"K56iVagY")


@pytest.mark.parametrize("name", GURUX, ids=str)
def test_golden_requests_equal_those_of_gurux(name: str) -> None:
    """An independent client with the same settings sends the same octets."""
    vectors = {key: octets(value) for key, value in GURUX[name].items()}
    client = gurux_like(name)
    assert vectors["aarq"] == client.associate()
    handshake, channel = client._handshake, client.channel
    if "pass3" in vectors:
        handshake.server_challenge = b"P6wRJ21F"
        assert vectors["pass3"] == handshake._proof(0xC1)

    def sent(request: apdu.Apdu) -> bytes:
        return request.encode() if channel is None else channel.protect(request.encode())

    for key, class_id, obis in (("get_register_value", 3, "0100010800FF"), ("get_clock", 8, "0000010000FF")):
        attribute = apdu.AttributeDescriptor(class_id, octets(obis), 2)
        assert vectors[key] == sent(apdu.GetRequestNormal(invoke=0xC1, attribute=attribute))
    data = apdu.AttributeDescriptor(1, octets("00002A0000FF"), 2)
    assert vectors["set_data"] == sent(
        apdu.SetRequestNormal(invoke=0xC1, attribute=data, data=octet_string(b"METER"))
    )
    method = apdu.MethodDescriptor(70, octets("000060030AFF"), 1)
    action = apdu.ActionRequestNormal(invoke=0xC1, method=method, data=axdr.decode_data(b"\x0f\x00"))
    assert vectors["action_disconnect"] == sent(action)
    assert vectors["release"] == apdu.Rlrq().encode()


def test_golden_dedicated_key_is_read_from_the_initiate_request_of_the_green_book() -> None:
    """The initiate request inside the Green Book's ciphered AARQ carries a dedicated key."""
    vector = SECURITY["protected"][-1]
    request = apdu.decode(octets(vector["plain"]))
    assert isinstance(request, InitiateRequest)
    assert request.dedicated_key == octets("00112233445566778899AABBCCDDEEFF")
    assert request.encode() == octets(vector["plain"])
    assert "0011" not in repr(request)
