"""Bench files with a meter reached by SMS and a modem of the bench's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.config.bench_check import check_bench

BENCH = """\
bench: lab-5
provider: local
devices:
  meter:
    role: dlms_meter
    adapter: dlms
    profile: mcs301
    links:
      ip: {transport: tcp, host: 192.0.2.7, port: 4059, framing: wrapper}
      sms: {transport: serial, port: virt://modem, framing: sms, number: "+4915112345678", protection: none}
    secrets:
      global.unicast_key: env:KEY
      global.broadcast_key: env:KEY
      global.authentication_key: env:KEY
    identity: {serial: "30112345"}
  handset:
    role: sms_modem
    adapter: gsm_modem
    link: {transport: serial, port: virt://handset, baud: 115200}
    identity: {serial: "350000000000006"}
allow: [configure]
"""

# name: (old text, new text, line of the file, message)
MISTAKES: dict[str, tuple[str, str, int, str]] = {
    "no number": (', number: "+4915112345678"', "", 10, "framing sms needs the meter's number"),
    "number that is none": ("+4915112345678", "0151", 10, "0151"),
    "unknown protection": ("protection: none", "protection: some", 10, "some"),
    "unknown global key": ("global.unicast_key", "global.unicst_key", 12, "did you mean `unicast_key`"),
    "modem on a network": (
        'transport: serial, port: virt://modem, framing: sms, number: "+4915112345678", protection: none',
        "transport: tcp, host: 192.0.2.9, port: 23, framing: sms",
        10,
        "a modem stands on a serial port",
    ),
    "role of a meter": ("role: sms_modem", "role: dlms_meter", 17, "serves a sms_modem, not a dlms_meter"),
}


def findings(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "bench.yaml"
    path.write_text(text, "utf-8")
    return tuple(str(each) for each in check_bench(path, {"KEY": "00" * 16}).errors)


def test_bench_with_sms_is_sound(tmp_path: Path) -> None:
    """A modem's port in the meter's link, and a modem by itself."""
    assert findings(tmp_path, BENCH) == ()


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    """Where it stands and what was expected."""
    old, new, line, message = MISTAKES[name]
    assert old in BENCH
    found = findings(tmp_path, BENCH.replace(old, new))[0]
    assert f":{line}:" in found
    assert re.search(message, found)
