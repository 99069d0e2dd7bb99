"""Print what termineter makes of C12.19 tables, as YAML; run by hand, with the project's Python.

It is a program of its own: no test and no part of the product imports termineter. What it prints was pasted
into c1219.yaml under ``termineter``. Of the sets of ST0 termineter never lists bit 7 of an octet (its loop
stops at 6); those elements are missing below and the test adds them.
"""

import sys
from pathlib import Path

import yaml
from c1219.access.general import C1219GeneralAccess
from c1219.access.log import C1219LogAccess
from c1219.data import format_ltime, get_table_idbb_field

GOLDEN = yaml.load((Path(__file__).with_name("c1219.yaml")).read_text("utf-8"), Loader=yaml.BaseLoader)
LOG_71 = "06 0301 02 02 0200 0000"
LOG_74 = (
    "04 0200 0100 07000000 0100" + "1A0105001700 0600 0100 0208 AB01" + "1A0105001800 0700 0000 0100 0000"
)


class Conn:
    """The tables of one meter, as termineter's parsers ask for them."""

    c1219_endian = "<"

    def __init__(self, tables: dict[int, str]) -> None:
        self._tables = {number: bytes.fromhex(octets) for number, octets in tables.items()}

    def get_table_data(self, number: int) -> bytes:
        return self._tables[number]


def main() -> None:
    out = sys.stdout.write
    tables = {each["table"]: each["hex"] for each in GOLDEN["tables"] if "hex" in each}
    general = C1219GeneralAccess(
        Conn({0: tables["epri ST0"], 1: tables["sm110 ST1"], 3: tables["sm110 ST3"], 5: tables["sm110 ST5"]})
    )
    out("termineter:\n  general:\n")
    for name in (
        "char_format", "nameplate_type", "id_form", "std_version_no", "std_revision_no", "manufacturer",
        "ed_model", "hw_version_no", "hw_revision_no", "fw_version_no", "fw_revision_no", "mfg_serial_no",
        "ed_mode", "std_status", "device_id", "std_tbls_used", "mfg_tbls_used", "std_proc_used",
        "mfg_proc_used",
    ):  # fmt: skip
        value = getattr(general, name)
        out(f"    {name}: {value if isinstance(value, int | list) else repr(value)}\n")
    out("  ltime:\n")
    for tm_format, octets in ((2, "1A0B19173B04"), (3, "80A4C00107"), (4, "00F15365")):
        shown = format_ltime("<", tm_format, bytes.fromhex(octets))
        out(f"    - {{tm_format: {tm_format}, hex: {octets}, shown: {shown}}}\n")
    for order, octets in (("little", "0A00"), ("little", "4618"), ("big", "1846")):
        number, manufacturer, selector = get_table_idbb_field(
            "<" if order == "little" else ">", bytes.fromhex(octets)
        )
        out(f"  # idb {order} {octets}: number {number}, manufacturer {manufacturer}, selector {selector}\n")
    log = C1219LogAccess(Conn({0: tables["epri ST0"], 71: LOG_71, 74: LOG_74}))
    out(f"  log: {{actual: {LOG_71.replace(' ', '')}, history: {LOG_74.replace(' ', '')}}}\n  entries:\n")
    for entry in log.logs:
        parts = (f"{k}: {v.hex() if isinstance(v, bytes) else v}" for k, v in entry.items())
        out(f"    - {{{', '.join(parts)}}}\n")


if __name__ == "__main__":
    main()
