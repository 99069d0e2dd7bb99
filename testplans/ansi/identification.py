"""What any ANSI meter says of itself, and whether it keeps to it. Nothing here writes to the meter."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import NotPermitted, Refused, RemoteProtocolError
from adapters.roles import AnsiMeter, Identity, SessionOpened, TableRead
from harness.actions import procedure
from harness.steps import Steps

UNREADABLE = ("ST7", "ST8")  # written to ask for a procedure; its answer, where there is one
ALLOWED_REFUSALS = ("insufficient-security", "data-not-ready", "data-locked", "busy")
"""Why a meter may decline to read a table it has: not to this level, or not now."""
_HIGHEST_STANDARD = 199  # tables above are reserved in every edition of the standard


def table_text(number: int) -> str:
    """Return a table's number as people write it."""
    return f"MT{number - 2048}" if number >= 2048 else f"ST{number}"


@dataclass(frozen=True, kw_only=True)
class ClaimsChecked:
    """What came of reading every table that ST0 lists."""

    listed: int
    answered: int
    declined: int
    broken_claims: int


@procedure("check_table_claims")
def check_table_claims(run: Steps, *, meter: AnsiMeter, link: str = "") -> ClaimsChecked:
    """Read every table that ST0 lists; a listed table that the meter does not know breaks its claim.

    A refusal for want of a password or of data breaks nothing and is counted. Tables of the profile that ST0
    does not list break a claim too: one of both is wrong about this meter.
    """
    listing = meter.list_tables(link)
    broken: list[str] = []
    answered = declined = 0
    rows = ["table,octets,answer"]
    for number in listing.tables:
        name = table_text(number)
        if name in UNREADABLE:
            continue
        try:
            read = meter.read_table(name, link=link)
        except Refused as refusal:
            rows.append(f"{name},,{refusal.reason}")
            if refusal.reason in ALLOWED_REFUSALS:
                declined += 1
            else:
                broken.append(f"{name}: listed in ST0, refused ({refusal.reason})")
            continue
        except RemoteProtocolError as error:
            rows.append(f"{name},{len(error.data)},{error}".replace("\n", " "))
            broken.append(f"{name}: {error}")
            continue
        answered += 1
        rows.append(f"{name},{read.count},{read.octets[:40]}")
    absent = [
        name for name in meter.profile_tables() if meter.table_size(name, link).number not in listing.tables
    ]
    broken += [f"{name}: in the profile and not listed in ST0" for name in absent]
    run.attach("tables of ST0", "text/csv", data="\n".join(rows) + "\n")
    run.check("claims the meter does not keep", expected="none", actual="; ".join(broken[:5]) or "none")
    return ClaimsChecked(
        listed=len(listing.tables), answered=answered, declined=declined, broken_claims=len(broken)
    )


@dataclass(frozen=True, kw_only=True)
class TablesChecked:
    """How many tables of the profile were read, and how many are not as long as their layout says."""

    tables: int
    declined: int
    wrong_size: int


@procedure("check_table_sizes")
def check_table_sizes(run: Steps, *, meter: AnsiMeter, link: str = "") -> TablesChecked:
    """Read every table of the profile; each must be as long as its layout and the meter's dimensions say."""
    wrong: list[str] = []
    read = declined = 0
    rows = ["table,number,expected octets,octets"]
    for name in meter.profile_tables():
        size = meter.table_size(name, link)
        if table_text(size.number) in UNREADABLE:
            continue
        try:
            count = meter.read_table(name, link=link).count
        except Refused as refusal:
            if refusal.reason not in ALLOWED_REFUSALS:
                wrong.append(f"{name}: {refusal}")
            declined += 1
            rows.append(f"{name},{table_text(size.number)},{size.octets},{refusal.reason}")
            continue
        except RemoteProtocolError as error:
            wrong.append(str(error))
            rows.append(f"{name},{table_text(size.number)},{size.octets},{len(error.data)}")
            continue
        read += 1
        rows.append(f"{name},{table_text(size.number)},{size.octets},{count}")
        if size.octets >= 0 and count != size.octets:
            wrong.append(f"{name} has {count} octets, its layout makes {size.octets}")
    run.attach("table sizes", "text/csv", data="\n".join(rows) + "\n")
    run.check("tables of another size", expected="none", actual="; ".join(wrong[:5]) or "none")
    return TablesChecked(tables=read, declined=declined, wrong_size=len(wrong))


@dataclass(frozen=True, kw_only=True)
class AnsiRegistersRead:
    """How many registers of the profile were read."""

    registers: int


@procedure("read_profile_registers")
def read_profile_registers(run: Steps, *, meter: AnsiMeter) -> AnsiRegistersRead:
    """Read every register of the profile; each must hold a number."""
    rows = ["register,value,unit,raw,scaler"]
    names = meter.profile_registers()
    for name in names:
        reading = meter.read_register(name)
        rows.append(f"{name},{reading.value},{reading.unit},{reading.raw},{reading.scaler}")
    run.attach("registers", "text/csv", data="\n".join(rows) + "\n")
    if not names:
        run.inconclusive("the profile lists no registers")
    return AnsiRegistersRead(registers=len(names))


@procedure("read_absent_table")
def read_absent_table(run: Steps, *, meter: AnsiMeter, link: str = "") -> TableRead:
    """Read a standard table that ST0 does not list: the highest number that is free."""
    listed = meter.list_tables(link).tables
    number = next(number for number in range(_HIGHEST_STANDARD, 0, -1) if number not in listed)
    return meter.read_table(table_text(number), link=link)


@procedure("needs_password")
def needs_password(run: Steps, *, meter: AnsiMeter) -> SessionOpened:
    """Skip the case where the bench gives no password: there is none to get wrong."""
    if not meter.default_level():
        raise NotPermitted("the bench gives no password of this meter; there is nothing to get wrong")
    return meter.open_session()


@procedure("identify_meter")
def identify_meter(run: Steps, *, meter: AnsiMeter) -> Identity:
    """Ask a meter who it is (for plans that go through several meters row by row)."""
    return meter.identify()


@dataclass(frozen=True, kw_only=True)
class PartsCompared:
    """A table read whole and piece by piece."""

    octets: int
    pieces: int


@procedure("check_partial_reads")
def check_partial_reads(
    run: Steps, *, meter: AnsiMeter, table: str = "ST1", piece: int = 5, link: str = ""
) -> PartsCompared:
    """Read a table whole and in pieces of ``piece`` octets; together they must be the same octets.

    Skips the case where the meter does not read by offset, which the standard lets it decline.
    """
    whole = meter.read_table(table, link=link)
    parts: list[str] = []
    for offset in range(0, whole.count, piece):
        try:
            part = meter.read_table(table, offset, min(piece, whole.count - offset), link)
        except Refused as refusal:
            if refusal.reason in ("service-not-supported", "inappropriate-action") and not parts:
                raise NotPermitted(f"the meter does not read by offset ({refusal.reason})") from refusal
            raise
        parts.append(part.octets)
    run.check(f"{table} in pieces", expected=whole.octets, actual="".join(parts))
    return PartsCompared(octets=whole.count, pieces=len(parts))
