"""Decoding alone: our A-XDR, HDLC and ciphering against those of gurux-dlms, without a wire or a meter.

    python benchmarks/decode.py [--rounds 5] [--json]

Both decode the same octets in the same round; gurux-dlms in a process of its own that times itself
(tests/oracles/gurux_codec.py), ours in this one. What came out is compared before any time is believed.

Ours does more in one respect: a work budget is drawn on for every element, frames are found in a stream, and
values are frozen and keep their types. gurux-dlms prints and logs while it deciphers; its standard output
goes nowhere.

"cryptography" is the floor of deciphering: one call of its AES-GCM on the same octets with a full tag, and no
parsing at all. DLMS cuts the tag to 12 octets, which that call does not take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402

from adapters.protocols.dlms.axdr import decode_data, encode_data, length_octets  # noqa: E402
from adapters.protocols.dlms.data import Data  # noqa: E402
from adapters.protocols.dlms.enums import DataType  # noqa: E402
from adapters.protocols.dlms.hdlc_frame import HdlcAddress, HdlcFrame  # noqa: E402
from adapters.protocols.dlms.hdlc_stream import HdlcStream  # noqa: E402
from adapters.protocols.dlms.security import HEADER_OCTETS, Keys, SecuritySuite0  # noqa: E402
from benchmarks.parts.paired import Figures as Paired  # noqa: E402
from benchmarks.parts.paired import timed  # noqa: E402
from tests.oracles.program import ForeignProgram  # noqa: E402

WARM_UP = 1
LLC = b"\xe6\xe7\x00"
UI = 0x13
GLO_GET_RESPONSE = 0xCC
ENCRYPTION_KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
TITLE = bytes.fromhex("4D4D4D0000000001")
PROTECTIONS = {0x10: "GMAC", 0x30: "AES-GCM"}


class GuruxCodec(ForeignProgram):
    """The other process."""

    script: ClassVar[Path] = ROOT / "tests/oracles/gurux_codec.py"


@dataclass
class Figures(Paired):
    """And the floor, seconds a call."""

    floor: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something to decode: by whom it is ``asked`` of gurux, our ``decode``, and how often in one round."""

    name: str
    do: str
    octets: bytes
    decode: Callable[[], object]
    times: int
    theirs: int
    aim: float
    floor: Callable[[], object] | None = None


# --- what is decoded --------------------------------------------------------------------------------------


def profile(rows: int) -> bytes:
    """Return the buffer of a load profile: time, status and three energies, every quarter of an hour."""
    kept = []
    for row in range(rows):
        hour, minute = divmod(row * 15 % 1440, 60)
        stamp = bytes((7, 234, 1 + row // 2976 % 12, 1 + row // 96 % 28, 255, hour, minute, 0, 0, 0, 0, 0))
        energies = (Data(DataType.DOUBLE_LONG_UNSIGNED, row * step) for step in (37, 5, 3))
        cells = (Data(DataType.OCTET_STRING, stamp), Data(DataType.UNSIGNED, row % 4), *energies)
        kept.append(Data(DataType.STRUCTURE, cells))
    return encode_data(Data(DataType.ARRAY, tuple(kept)))


def object_list(objects: int) -> bytes:
    """Return an object list: class, version, name, and the rights to three attributes and a method."""

    def right(number: int, *more: Data) -> Data:
        cells = (Data(DataType.INTEGER, number), Data(DataType.UNSIGNED, 1), *more)
        return Data(DataType.STRUCTURE, cells)

    attributes = tuple(right(number, Data(DataType.NULL_DATA, None)) for number in (1, 2, 3))
    rights = Data(DataType.STRUCTURE, (Data(DataType.ARRAY, attributes), Data(DataType.ARRAY, (right(1),))))
    kept = []
    for number in range(objects):
        name = bytes((1, 0, number % 100, 8, number // 100, 255))
        cells = (
            Data(DataType.LONG_UNSIGNED, 3),
            Data(DataType.UNSIGNED, 0),
            Data(DataType.OCTET_STRING, name),
        )
        kept.append(Data(DataType.STRUCTURE, (*cells, rights)))
    return encode_data(Data(DataType.ARRAY, tuple(kept)))


def data_case(name: str, octets: bytes, times: int, theirs: int) -> Case:
    """Return a case of A-XDR."""
    return Case(
        name=name,
        do="data",
        octets=octets,
        decode=lambda: decode_data(octets),
        times=times,
        theirs=theirs,
        aim=3,
    )


def frame_case(information: int, times: int, theirs: int) -> Case:
    """Return a case of HDLC: a frame from a meter with ``information`` octets behind the LLC header."""
    octets = HdlcFrame(HdlcAddress(16), HdlcAddress(1), UI, LLC + bytes(range(information))).encode()

    def decode() -> bytes:
        stream = HdlcStream()
        stream.receive_data(octets)
        frame = stream.next_frame()
        assert isinstance(frame, HdlcFrame)
        return frame.information[len(LLC) :]

    name = f"HDLC frame, {information} octets"
    return Case(name=name, do="frame", octets=octets, decode=decode, times=times, theirs=theirs, aim=3)


def cipher_case(control: int, length: int, times: int, theirs: int) -> Case:
    """Return a case of a ciphered APDU of ``length`` octets."""
    suite = SecuritySuite0(Keys(encryption_key=ENCRYPTION_KEY, authentication_key=AUTHENTICATION_KEY))
    plain = bytes(number & 0xFF for number in range(length))
    body = suite.protect(plain, TITLE, 7, control)
    floor_gcm, nonce = AESGCM(ENCRYPTION_KEY), TITLE + body[1:HEADER_OCTETS]
    aad = bytes((control,)) + AUTHENTICATION_KEY + (plain if control == 0x10 else b"")
    full = floor_gcm.encrypt(nonce, b"" if control == 0x10 else plain, aad)
    return Case(
        name=f"{PROTECTIONS[control]}, APDU of {length} octets",
        do="decipher",
        octets=bytes((GLO_GET_RESPONSE,)) + length_octets(len(body)) + body,
        decode=lambda: suite.unprotect(body, TITLE)[0],
        times=times,
        theirs=theirs,
        aim=5,
        floor=lambda: floor_gcm.decrypt(nonce, full, aad),
    )


def cases() -> list[Case]:
    """Return everything that is measured."""
    return [
        data_case("A-XDR, profile of 10,000 rows", profile(10_000), 3, 1),
        data_case("A-XDR, object list of 200", object_list(200), 30, 10),
        frame_case(16, 3000, 600),
        frame_case(128, 3000, 300),
        cipher_case(0x10, 128, 3000, 20),
        cipher_case(0x30, 128, 3000, 20),
        cipher_case(0x30, 1024, 3000, 4),
    ]


# --- the sitting ------------------------------------------------------------------------------------------


def plain(value: object) -> object:
    """Return what we decoded as JSON takes it; octets in hexadecimal."""
    if isinstance(value, Data):
        return plain(value.value)
    if isinstance(value, bytes):
        return value.hex()
    return [plain(each) for each in value] if isinstance(value, tuple) else value


def measure(case: Case, gurux: GuruxCodec, rounds: int) -> Figures:
    """Return the figures of one case. Raises ValueError where the two do not agree on what it says."""
    figures, expected = Figures(), plain(case.decode())
    keys = {"encryption_key": ENCRYPTION_KEY, "authentication_key": AUTHENTICATION_KEY, "title": TITLE}
    request: dict[str, Any] = {name: value.hex() for name, value in keys.items()}
    for _ in range(rounds):
        wall_s, cpu_s = timed(case.decode, case.times, WARM_UP)
        figures.client.append(wall_s)
        figures.client_cpu.append(cpu_s)
        answer = gurux.ask(case.do, octets=case.octets.hex(), count=case.theirs, **request)
        if answer["value"] != expected:
            raise ValueError(f"{case.name}: gurux-dlms decodes something else")
        figures.peer.append(answer["seconds"] / case.theirs)
        figures.peer_cpu.append(answer["cpu_seconds"] / case.theirs)
        if case.floor is not None:
            figures.floor.append(timed(case.floor, case.times, WARM_UP)[0])
    return figures


def table(measured: dict[str, tuple[Case, Figures]]) -> None:
    """Print medians of rounds, and ratios with their spread."""
    median = statistics.median
    print("Decoding alone, on this machine; wall-clock time, medians of several rounds\n")
    print(
        f"{'':<32}{'ours':>11}{'gurux':>10}  {'ours : gurux':<22}{'aim':>4}{'cryptography':>15}"
        f"{'ours : it':>11}"
    )
    print(f"{'':<32}{'1/s':>11}{'1/s':>10}  {'median [range]':<22}{'':>4}{'1/s':>15}")
    for name, (case, of) in measured.items():
        ratios = of.ratios(of.client)
        spread = f"{median(ratios):.1f} [{min(ratios):.1f}..{max(ratios):.1f}]"
        floor = (
            f"{1 / median(of.floor):>15,.0f}{median(of.floor) / median(of.client):>11.2f}" if of.floor else ""
        )
        print(
            f"{name:<32}{1 / median(of.client):>11,.0f}{1 / median(of.peer):>10,.0f}  {spread:<22}"
            f"{case.aim:>4.0f}{floor}{'' if median(ratios) >= case.aim else '  aim missed'}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with GuruxCodec() as gurux:
        measured = {case.name: (case, measure(case, gurux, options.rounds)) for case in cases()}
    if options.json:
        print(json.dumps({name: vars(of) for name, (_, of) in measured.items()}, indent=1))
    else:
        table(measured)


if __name__ == "__main__":
    main()
