"""Tables of real meters, and what other programs make of them; octets and sources: golden/c1219.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.profiles.layout import standard_layouts
from adapters.protocols.c1219 import (
    Formats,
    Known,
    ProcedureRequest,
    decode,
    decode_place,
    encode,
    find,
)
from adapters.protocols.c1219.times import decode_time, encode_time

GOLDEN: Any = yaml.load(
    (Path(__file__).parents[1] / "golden" / "c1219.yaml").read_text("utf-8"), Loader=yaml.BaseLoader
)
LAYOUTS = standard_layouts()
VECTORS = GOLDEN["tables"]


def octets_of(vector: dict[str, Any]) -> bytes:
    """Return the octets of a vector: written out, or a table of zeros with some that are not."""
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    octets = bytearray(int(vector["octets"]))
    for at, text in vector["at"].items():
        octets[int(at) : int(at) + len(text) // 2] = bytes.fromhex(text)
    return bytes(octets)


def sm110() -> Known:
    """Return what a reader of the SM110 knows: 6 octets a summation, 4 a demand, and its dimensions."""
    known = Known()
    st0 = next(each for each in VECTORS if each["table"] == "epri ST0")
    known.learn(0, decode(LAYOUTS["general_configuration"], octets_of(st0), known))
    known.learn(0, {**known.fields(0), "DIM_MFG_STATUS_USED": 1, "STD_TBLS_USED": (0, 61, 62, 63, 64)})
    known.formats = Formats(ni_format1=10, ni_format2=8)
    for name in ("sm110 ST21", "sm110 ST61", "sm110 ST62"):
        vector = next(each for each in VECTORS if each["table"] == name)
        layout = LAYOUTS[vector["layout"]]
        known.learn(layout.number, decode(layout, octets_of(vector), known))
    return known


def shown(value: object) -> str:
    """Write a value as the vectors do."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["table"])
def test_golden_table_gives_its_values_and_its_octets_again(vector: dict[str, Any]) -> None:
    """A table from elsewhere decodes to what its source says, and encodes to the same octets."""
    known, layout = sm110(), LAYOUTS[vector["layout"]]
    octets = octets_of(vector)
    whole = octets * int(vector.get("blocks", 1))
    fields = decode(layout, whole, known)
    if layout.number not in (21, 61, 62):
        known.learn(layout.number, fields)
    for path, value in vector["values"].items():
        place = find(layout, path, known)
        part = whole[place.offset : place.offset + place.size]
        assert value == shown(decode_place(place, part, known.formats)), path
    assert whole == encode(layout, fields, known)


def test_golden_st6_stands_where_the_reader_of_its_source_has_it() -> None:
    """TARIFF_ID at 170 and MISC_ID at 200 of 230 octets."""
    layout, known = LAYOUTS["utility_information"], Known()
    assert (find(layout, "TARIFF_ID", known).offset, find(layout, "TARIFF_ID", known).size) == (170, 8)
    assert (find(layout, "MISC_ID", known).offset, find(layout, "MISC_ID", known).size) == (200, 30)
    assert len(encode(layout, {}, known)) == 230


def with_bit_7(elements: list[str], octets: bytes) -> tuple[int, ...]:
    """Return termineter's elements of a set and those it never sees."""
    lost = {8 * index + 7 for index, octet in enumerate(octets) if octet & 0x80}
    return tuple(sorted({int(element) for element in elements} | lost))


def test_golden_termineter_reads_the_same_identity_and_sets() -> None:
    """ST0, 1, 3 and 5 mean to us what they mean to termineter, but for the bit it drops."""
    said, known = GOLDEN["termineter"]["general"], sm110()
    tables = {
        name: decode(LAYOUTS[vector["layout"]], octets_of(vector), known)
        for vector in VECTORS
        for name in [vector["table"]]
        if name in ("epri ST0", "sm110 ST1", "sm110 ST3", "sm110 ST5")
    }
    general: Any = tables["epri ST0"]
    octets = octets_of(VECTORS[0])[19:]
    assert (said["std_version_no"], said["std_revision_no"]) == ("1", "0")
    assert (general["STD_VERSION_NO"], general["STD_REVISION_NO"]) == (1, 0)
    for name, key, start, size in (
        ("STD_TBLS_USED", "std_tbls_used", 0, 13),
        ("MFG_TBLS_USED", "mfg_tbls_used", 13, 13),
        ("STD_PROC_USED", "std_proc_used", 26, 3),
        ("MFG_PROC_USED", "mfg_proc_used", 29, 5),
    ):
        assert with_bit_7(said[key], octets[start : start + size]) == general[name], name
    identity: Any = tables["sm110 ST1"]
    for key, name in (
        ("manufacturer", "MANUFACTURER"),
        ("ed_model", "ED_MODEL"),
        ("hw_version_no", "HW_VERSION_NUMBER"),
        ("fw_version_no", "FW_VERSION_NUMBER"),
        ("mfg_serial_no", "MFG_SERIAL_NUMBER"),
    ):
        assert said[key] == str(identity[name])
    assert said["device_id"] == tables["sm110 ST5"]["IDENTIFICATION"]


@pytest.mark.parametrize("vector", GOLDEN["termineter"]["ltime"], ids=lambda vector: vector["tm_format"])
def test_golden_times_are_termineters(vector: dict[str, str]) -> None:
    """The three long formats give the moment termineter prints, and the same octets again."""
    octets, tm_format = bytes.fromhex(vector["hex"]), int(vector["tm_format"])
    moment = decode_time(octets, "ltime", tm_format, "little")
    assert vector["shown"] == str(moment)
    assert octets == encode_time(moment, "ltime", tm_format, "little")


@pytest.mark.parametrize("vector", GOLDEN["termineter"]["procedures"], ids=lambda vector: vector["hex"])
def test_golden_procedure_numbers_are_termineters(vector: dict[str, Any]) -> None:
    """Number, manufacturer flag and selector stand in the bits where termineter has them, in both orders."""
    octets = bytes.fromhex(vector["hex"])
    request = ProcedureRequest.of(octets, vector["order"])
    assert int(vector["number"]) == request.number
    assert int(vector.get("selector", 0)) == request.selector
    assert octets == request.octets(vector["order"])


def test_golden_history_log_is_termineters() -> None:
    """The entries of a history log are cut and read as termineter does."""
    log, known = GOLDEN["termineter"]["log"], sm110()
    known.learn(71, decode(LAYOUTS["actual_log"], bytes.fromhex(log["actual"]), known))
    fields: Any = decode(LAYOUTS["history_log"], bytes.fromhex(log["history"]), known)
    assert [
        {
            "time": str(entry["HISTORY_TIME"]),
            "sequence": str(entry["HISTORY_SEQ_NBR"]),
            "user": str(entry["USER_ID"]),
            "number": str(entry["HISTORY_CODE"]["TBL_PROC_NBR"]),
            "manufacturer": str(entry["HISTORY_CODE"]["STD_VS_MFG_FLAG"]),
            "argument": entry["HISTORY_ARGUMENT"].hex(),
        }
        for entry in fields["ENTRIES"]
    ] == log["entries"]


def test_golden_load_profile_block_is_as_long_as_its_memory_says() -> None:
    """LP_MEMORY_LEN of the SM110 is exactly its 18 blocks, so the layout of a block is right to the octet."""
    known = sm110()
    block = len(octets_of(next(each for each in VECTORS if "blocks" in each)))
    assert known.fields(61)["LP_MEMORY_LEN"] == 18 * block
    assert block == 593
