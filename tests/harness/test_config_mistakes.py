"""Every mistake in a plan or a bench file is one clear message at the right place, with a way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.errors import ConfigError, ConfigErrors
from harness.config.bench_check import check_bench
from harness.plan_compiler import compile_plan

PLAN = """\
plan: sample
title: A sample
source: nothing
bench: virtual:mcs301
needs: {meter: dlms_meter, source: power_source}
parameters:
  settling: 30 s
  note: hello
cases:
  - id: C-1
    title: First
    verifies: [DL-CLI-01]
    for_each:
      - {id: one, link: ip}
      - {id: two, link: rs485}
    steps:
      - do: meter.associate
        with: {client: management, link: "${link}", association: main}
        within: ${settling}
        expect: {mechanism: {one_of: [hls-gmac, lls]}}
      - do: meter.read_clock
        expect: {drift_s: {between: [-5 s, 5 s]}}
      - do: meter.get
        with: {object: active_energy_import, association: main}
        expect: {scaled: {at_least: 0 kWh}}
        save: before
      - do: meter.get
        with: {object: installation_note, association: main}
        expect: {value: {equals: "${before.value}"}}
      - do: source.apply
        with: {voltage_v: 230 V, current_a: 5}
    always:
      - do: meter.release
        with: {association: main}
  - id: C-2
    title: Second
    steps:
      - do: meter.identify
        expect: {serial: {matches: "[0-9]+"}}
"""

# name: (old text, new text, line of the new file, column, message)
PLAN_MISTAKES: dict[str, tuple[str, str, int, int, str]] = {
    "unknown key": (
        "    always:",
        "    alwais:",
        32,
        5,
        "unknown key `alwais`; expected one of `always`, `for_each`, `id`, `steps`, `tags`, `title`, "
        "`verifies`; did you mean `always`?",
    ),
    "key missing": ("  - id: C-2\n    title", "  - title", 35, 5, "key `id` is missing"),
    "unknown device": (
        "do: meter.read_clock",
        "do: metr.read_clock",
        21,
        13,
        "unknown device `metr`; expected one of `meter`, `source`; did you mean `meter`?",
    ),
    "unknown action": (
        "do: meter.read_clock",
        "do: meter.read_clok",
        21,
        13,
        "a dlms_meter has no action `read_clok`; .*did you mean `read_clock`\\?",
    ),
    "unknown procedure": ("do: meter.read_clock", "do: read_clock", 21, 13, "unknown procedure `read_clock`"),
    "unknown role": (
        "meter: dlms_meter",
        "meter: dlms_metre",
        5,
        16,
        "unknown role `dlms_metre`; .*did you mean `dlms_meter`\\?",
    ),
    "unknown argument": (
        'link: "${link}"',
        'lnk: "${link}"',
        18,
        36,
        "associate takes no argument `lnk`; .*did you mean `link`\\?",
    ),
    "missing argument": (
        "with: {voltage_v: 230 V, current_a: 5}",
        "with: {current_a: 5}",
        30,
        13,
        "apply needs the argument `voltage_v`; expected a quantity such as `230 V`",
    ),
    "argument of the wrong type": (
        "voltage_v: 230 V",
        "voltage_v: high",
        31,
        27,
        "argument `voltage_v`: expected a quantity such as `230 V`, found `high`",
    ),
    "argument in the wrong unit": (
        "voltage_v: 230 V",
        "voltage_v: 230 A",
        31,
        27,
        "argument `voltage_v`: `A` cannot be compared with `V`",
    ),
    "bad duration": (
        "within: ${settling}",
        "within: 30",
        19,
        17,
        "`30` is not a duration: a duration needs a unit: `30 s`, `30 min` or `30 h`",
    ),
    "unknown matcher": (
        "{at_least: 0 kWh}",
        "{atleast: 0 kWh}",
        25,
        27,
        "unknown condition `atleast`; .*did you mean `at_least`\\?",
    ),
    "unknown field": (
        "drift_s: {",
        "drift: {",
        22,
        18,
        "meter.read_clock returns no `drift`; .*did you mean `drift_s`\\?",
    ),
    "unit that does not fit the field": (
        "[-5 s, 5 s]",
        "[-5 V, 5 s]",
        22,
        38,
        "`V` cannot be compared with `s`",
    ),
    "limits the wrong way round": (
        "[-5 s, 5 s]",
        "[5 s, -5 s]",
        22,
        37,
        "between \\[5 s, -5 s\\]: the first limit is above the second; swap them",
    ),
    "between with one limit": (
        "[-5 s, 5 s]",
        "[-5 s]",
        22,
        37,
        "expected \\[lowest, highest\\] after `between`, found a list",
    ),
    "bad regular expression": ('"[0-9]+"', '"[0-9"', 39, 36, "`\\[0-9` is not a regular expression"),
    "unknown behaviour": (
        "[DL-CLI-01]",
        "[DL-CLI-91]",
        12,
        16,
        "unknown behaviour `DL-CLI-91`; did you mean `DL-CLI-..`\\?",
    ),
    "duplicate case id": ("id: C-2", "id: C-1", 35, 5, "case id `C-1` is used twice"),
    "undefined parameter": (
        "${settling}",
        "${setling}",
        19,
        17,
        "`\\${setling}` is not defined; .*did you mean `settling`\\?",
    ),
    "saved value used before it is saved": (
        "expect: {mechanism: {one_of: [hls-gmac, lls]}}",
        'expect: {mechanism: "${before.value}"}',
        20,
        29,
        "`\\${before.value}` is used before it is saved; `before` is saved in line 26",
    ),
    "unknown field of a saved value": (
        "${before.value}",
        "${before.valu}",
        29,
        34,
        "what was saved as `before` has no field `valu`; .*did you mean `value`\\?",
    ),
    "empty case": (
        '    steps:\n      - do: meter.identify\n        expect: {serial: {matches: "[0-9]+"}}\n',
        "    steps: []\n",
        37,
        12,
        "the case has no steps",
    ),
    "step out of order": (
        "      - do: meter.associate\n",
        "      - do: meter.get\n        with: {object: x}\n      - do: meter.associate\n",
        17,
        13,
        "out of order: meter.get comes before any association is open; expected `meter.associate` first",
    ),
    "association never opened": (
        "with: {object: installation_note, association: main}",
        "with: {object: installation_note, association: mane}",
        27,
        13,
        "out of order: meter.get uses association `mane`, which no earlier step opens; open are `main`",
    ),
    "row without a value": (
        "- {id: two, link: rs485}",
        "- {id: two}",
        15,
        9,
        "the row lacks `link`, which the first row has",
    ),
    "rows with one id": ("id: two", "id: one", 15, 9, "row `one` is there twice"),
    "row with an unknown key": (
        "{id: two, link: rs485}",
        "{id: two, link: rs485, lin: x}",
        15,
        32,
        "the first row has no `lin`; .*did you mean `link`\\?",
    ),
    "refusal with fields": (
        "expect: {mechanism: {one_of: [hls-gmac, lls]}}",
        "expect: {refused: any, mechanism: lls}",
        20,
        17,
        "a refused step has no result to compare",
    ),
    "field forgotten": (
        "{drift_s: {between: [-5 s, 5 s]}}",
        "{between: [-5 s, 5 s]}",
        22,
        18,
        "the field is missing before `between`",
    ),
    "text where a mapping belongs": (
        "needs: {meter: dlms_meter, source: power_source}",
        "needs: meter",
        5,
        8,
        "expected a mapping \\(lines of `key: value`\\), found `meter`",
    ),
}


def plan_errors(tmp_path: Path, text: str) -> tuple[ConfigError, ...]:
    """Return the mistakes of a plan."""
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    try:
        compile_plan(path)
    except ConfigErrors as error:
        return error.errors
    return ()


def test_plan_sample_has_no_mistake(tmp_path: Path) -> None:
    """The plan the mistakes are made in is in order."""
    assert plan_errors(tmp_path, PLAN) == ()


@pytest.mark.parametrize("name", sorted(PLAN_MISTAKES))
def test_plan_mistake_gives_one_clear_message(name: str, tmp_path: Path) -> None:
    """One mistake, one message, with its line and column and what would be right."""
    old, new, line, column, message = PLAN_MISTAKES[name]
    assert PLAN.count(old) >= 1, old
    errors = plan_errors(tmp_path, PLAN.replace(old, new, 1))
    own = [error for error in errors if error.line == line and error.column == column]
    assert own, "\n".join(map(str, errors))
    assert re.search(message if "\\" in message or ".*" in message else re.escape(message), str(own[0])), own[
        0
    ]
    if name not in ("unknown role", "text where a mapping belongs", "unknown argument"):
        assert len(errors) == 1, "\n".join(map(str, errors))
    assert all("\n" not in str(error) for error in errors)


def test_plan_with_every_mistake_reports_all_of_them_in_one_go(tmp_path: Path) -> None:
    """A mistake in the shape of the file does not hide those in its meaning."""
    text = PLAN
    for old, new in (
        ("    always:", "    alwais:"),
        ("- id: C-2\n    title", "- title"),
        ("do: meter.read_clock", "do: meter.read_clok"),
        ("voltage_v: 230 V", "voltage_v: high"),
        ("[DL-CLI-01]", "[DL-CLI-91]"),
        ("${settling}", "${setling}"),
        ("id: two", "id: one"),
        ("{at_least: 0 kWh}", "{atleast: 0 kWh}"),
    ):
        text = text.replace(old, new, 1)
    errors = plan_errors(tmp_path, text)
    assert len(errors) == 8, "\n".join(map(str, errors))
    assert [error.line for error in errors] == sorted(error.line for error in errors)


BENCH = """\
bench: lab-3
provider: local
clock: wall
station: Lab 3
devices:
  meter:
    role: dlms_meter
    adapter: dlms
    profile: mcs301
    links:
      optical: {transport: serial, port: virt://optical, framing: hdlc, mode_e: true}
      ip: {transport: tcp, host: 192.0.2.7, port: 4059, framing: wrapper}
    secrets:
      management.authentication_key: env:TEST_AK
      management.encryption_key: env:TEST_EK
      reading.authentication_key: env:TEST_AK
      reading.encryption_key: env:TEST_EK
    identity: {serial: 00123456}
  source:
    role: power_source
    adapter: scpi_source
    link: {transport: tcp, host: 192.0.2.8, port: 5025}
allow: [energise, disconnect]
"""
ENVIRONMENT = {
    "TEST_AK": "00112233445566778899AABBCCDDEEFF",
    "TEST_EK": "FF" * 16,
    "SHORT": "0011",
    "NOHEX": "zz",
}

BENCH_MISTAKES: dict[str, tuple[str, str, int, int, str]] = {
    "unknown key": (
        "    profile: mcs301",
        "    profil: mcs301",
        9,
        5,
        "unknown key `profil`; .*did you mean `profile`\\?",
    ),
    "key missing": ("    role: power_source\n", "", 20, 5, "key `role` is missing"),
    "unknown adapter": (
        "adapter: dlms",
        "adapter: dlsm",
        8,
        14,
        "unknown adapter `dlsm`; .*did you mean `dlms`\\?",
    ),
    "unknown profile": (
        "profile: mcs301",
        "profile: mcs302",
        9,
        14,
        "unknown profile `mcs302`; expected `mcs301`",
    ),
    "unknown provider": (
        "provider: local",
        "provider: lokal",
        2,
        11,
        "unknown provider `lokal`; .*did you mean `local`\\?",
    ),
    "unknown role": (
        "role: dlms_meter",
        "role: dlms_metter",
        7,
        11,
        "unknown role `dlms_metter`; .*did you mean `dlms_meter`\\?",
    ),
    "unknown transport": (
        "transport: serial",
        "transport: seriel",
        11,
        28,
        "`seriel` is not a known transport; .*did you mean `serial`\\?",
    ),
    "key of another transport": (
        "port: 4059, framing: wrapper",
        "port: 4059, baud: 9600",
        12,
        57,
        "unknown key `baud`; ",
    ),
    "port out of range": (
        "port: 4059",
        "port: 405900",
        12,
        51,
        "the value should be less than or equal to 65535",
    ),
    "port is not a number": ("port: 4059", "port: dlms", 12, 51, "expected a whole number, found `dlms`"),
    "unknown framing": (
        "framing: hdlc",
        "framing: hldc",
        11,
        67,
        "`hldc` is not known here; expected one of `hdlc`, `sms`, `wrapper`; did you mean `hdlc`?",
    ),
    "literal secret": (
        "env:TEST_AK\n      management",
        "00112233445566778899AABBCCDDEEFF\n      management",
        14,
        38,
        "a secret does not stand in the file itself; expected `env:NAME`",
    ),
    "environment variable missing": (
        "env:TEST_EK\n      reading",
        "env:TEST_XX\n      reading",
        15,
        34,
        "the environment variable TEST_XX is not set",
    ),
    "key too short": (
        "env:TEST_EK\n      reading",
        "env:SHORT\n      reading",
        15,
        34,
        "secret management.encryption_key: the key has 2 octets; security suite 0 takes 16 octets",
    ),
    "key is not hexadecimal": (
        "env:TEST_EK\n      reading",
        "env:NOHEX\n      reading",
        15,
        34,
        "secret management.encryption_key: the value is not hexadecimal",
    ),
    "secret of an unknown client": (
        "management.encryption_key",
        "managment.encryption_key",
        15,
        7,
        "the profile has no client `managment`; .*did you mean `management`\\?",
    ),
    "unknown kind of secret": (
        "management.encryption_key",
        "management.encription_key",
        15,
        7,
        "unknown kind of secret `encription_key`; .*did you mean `encryption_key`\\?",
    ),
    "unknown permission": (
        "[energise, disconnect]",
        "[energize, disconnect]",
        23,
        9,
        "`energize` is not known here; .*did you mean `energise`\\?",
    ),
    "virtual clock on real wires": (
        "clock: wall",
        "clock: virtual",
        3,
        8,
        "real wires cannot run on a virtual clock",
    ),
    "link and links": (
        "    identity: {serial: 00123456}",
        "    link: {transport: tcp, host: h, port: 1}",
        7,
        5,
        "`link` and `links` together",
    ),
    "no link": (
        "    link: {transport: tcp, host: 192.0.2.8, port: 5025}\n",
        "",
        19,
        3,
        "device `source` has no link",
    ),
    "host with a port": ("host: 192.0.2.8,", "host: 192.0.2.8:5025,", 22, 34, "the host holds a port"),
    "identity without a serial": ("{serial: 00123456}", "{}", 18, 15, "key `serial` is missing"),
    "duplicate key": ("station: Lab 3", "provider: local", 4, 1, "key `provider` stands here twice"),
}


def bench_errors(tmp_path: Path, text: str) -> tuple[ConfigError, ...]:
    """Return the mistakes of a bench file."""
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    try:
        return tuple(check_bench(path, ENVIRONMENT).errors)
    except ConfigErrors as error:
        return error.errors


def test_bench_sample_has_no_mistake(tmp_path: Path) -> None:
    """The bench the mistakes are made in is in order, and its serial number keeps its zeros."""
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH)
    found = check_bench(path, ENVIRONMENT)
    assert [str(error) for error in found.errors] == []
    assert found.bench is not None
    identity = found.bench.devices["meter"].identity
    assert identity is not None
    assert identity.serial == "00123456"
    assert found.bench.devices["meter"].links["optical"].options() == {
        "transport": "serial",
        "port": "virt://optical",
        "framing": "hdlc",
        "mode_e": "true",
    }
    assert list(found.bench.devices["source"].all_links) == ["main"]


@pytest.mark.parametrize("name", sorted(BENCH_MISTAKES))
def test_bench_mistake_gives_one_clear_message(name: str, tmp_path: Path) -> None:
    """One mistake, one message, with its line and column and what would be right; never a secret."""
    old, new, line, column, message = BENCH_MISTAKES[name]
    assert BENCH.count(old) >= 1, old
    errors = bench_errors(tmp_path, BENCH.replace(old, new, 1))
    own = [error for error in errors if error.line == line and error.column == column]
    assert own, "\n".join(map(str, errors))
    assert re.search(message if "\\" in message or ".*" in message else re.escape(message), str(own[0])), own[
        0
    ]
    assert len(errors) == (2 if name == "unknown key" else 1), "\n".join(map(str, errors))
    assert not any("00112233" in str(error) for error in errors)


def test_bench_absent_port_is_a_warning(tmp_path: Path) -> None:
    """A port that is not plugged in does not make the file wrong."""
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH.replace("virt://optical", "/dev/ttyUSB-none"))
    found = check_bench(path, ENVIRONMENT)
    assert found.errors == []
    assert any("port /dev/ttyUSB-none is not there" in str(warning) for warning in found.warnings)


def test_bench_port_of_two_devices_is_an_error(tmp_path: Path) -> None:
    """Two devices cannot share one serial port."""
    text = BENCH.replace(
        "{transport: tcp, host: 192.0.2.8, port: 5025}", "{transport: serial, port: virt://optical}"
    )
    (error,) = bench_errors(tmp_path, text)
    assert "port virt://optical is already used by `meter`" in str(error)
