"""Bench files with ANSI meters: profiles of their own kind, passwords by level, mistakes at their place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.errors import ConfigError, ConfigErrors
from harness.config.bench_check import check_bench

BENCH = """\
bench: lab-4
provider: local
devices:
  meter:
    role: ansi_meter
    adapter: c1218
    profile: i210
    links:
      optical: {transport: serial, port: virt://optical, baud: 9600}
    secrets:
      reader.password: env:READER
      master.password: env:MASTER
    identity: {serial: "61234567"}
allow: [configure]
"""
ENVIRONMENT = {"READER": "0000", "MASTER": "twenty characters ok", "LONG": "x" * 21, "EMPTY": ""}

# name: (old text, new text, line of the file, column, message)
MISTAKES: dict[str, tuple[str, str, int, int, str]] = {
    "profile of a DLMS meter": (
        "profile: i210",
        "profile: mcs301",
        7,
        14,
        "profile mcs301 is of protocol dlms; adapter `c1218` needs one of protocol c1219; expected one of "
        ".*`centron`.*`i210`",
    ),
    "unknown profile": (
        "profile: i210",
        "profile: i21o",
        7,
        14,
        "unknown profile `i21o`; .*did you mean `i210`\\?",
    ),
    "no profile": (
        "    profile: i210\n",
        "",
        4,
        3,
        "adapter `c1218` needs a profile; expected one of .*`i210`",
    ),
    "role of another meter": (
        "role: ansi_meter",
        "role: dlms_meter",
        5,
        11,
        "adapter `c1218` serves a ansi_meter, not a dlms_meter; expected `role: ansi_meter`",
    ),
    "level nobody has": (
        "master.password",
        "mastr.password",
        12,
        7,
        "the profile has no level `mastr`; .*did you mean `master`\\?",
    ),
    "secret of another kind": (
        "master.password",
        "master.passphrase",
        12,
        7,
        "unknown kind of secret `passphrase`; expected `password`",
    ),
    "password that is too long": (
        "env:MASTER",
        "env:LONG",
        12,
        24,
        "secret master.password: the password has 21 octets; C12.18 takes at most 20",
    ),
    "password that is empty": (
        "env:MASTER",
        "env:EMPTY",
        12,
        24,
        "secret master.password: (the value is empty|.*EMPTY)",
    ),
}


def findings(tmp_path: Path, text: str) -> tuple[ConfigError, ...]:
    """Return the mistakes of a bench file."""
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    try:
        return tuple(check_bench(path, ENVIRONMENT).errors)
    except ConfigErrors as error:
        return error.errors


def test_bench_with_an_ansi_meter_is_sound_and_tells_what_is_missing(tmp_path: Path) -> None:
    """No mistake; a level whose password nobody gives is a warning."""
    assert findings(tmp_path, BENCH) == ()
    warnings = [str(each) for each in check_bench(tmp_path / "bench.yaml", ENVIRONMENT).warnings]
    assert any("level technician lacks technician.password" in warning for warning in warnings), warnings
    assert not any("reader" in warning for warning in warnings)


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_bench_mistake_gives_one_clear_message(name: str, tmp_path: Path) -> None:
    """One mistake, one message, with its line and column and what would be right; never a secret."""
    old, new, line, column, message = MISTAKES[name]
    assert BENCH.count(old) == 1, old
    errors = findings(tmp_path, BENCH.replace(old, new))
    own = [error for error in errors if (error.line, error.column) == (line, column)]
    assert own, "\n".join(map(str, errors))
    assert re.search(message, str(own[0])), own[0]
    assert len(errors) == 1, "\n".join(map(str, errors))
    assert not any("xxxx" in str(error) for error in errors)


def test_bench_profile_of_the_labs_own_is_checked_with_its_place(tmp_path: Path) -> None:
    """A mistake in the lab's profile is told where the bench names it, with the profile's own line."""
    (tmp_path / "ours.yaml").write_text(
        "profile: ours\ntitle: Ours\nprotocol: c1219\nmanufacturer: A\nmodel: B\nlevels: {}\n"
        "default_level: reader\ntables:\n"
        "  general_configuration: {number: ST0, assumed: true}\n"
        "  manufacturer_identification: {number: ST1, assumed: true}\n"
        "  device_identification: {number: ST5, assumed: true}\n"
    )
    (error,) = findings(tmp_path, BENCH.replace("profile: i210", "profile: ./ours.yaml"))
    assert (error.line, error.column) == (7, 14)
    assert re.search(r"ours\.yaml:7:16: the profile has no level `reader`", str(error))


def test_bench_dlms_adapter_takes_no_ansi_profile(tmp_path: Path) -> None:
    """The other way round it is a mistake as well."""
    text = BENCH.replace("role: ansi_meter", "role: dlms_meter").replace("adapter: c1218", "adapter: dlms")
    (error,) = findings(tmp_path, text)
    assert re.search(
        "profile i210 is of protocol c1219; adapter `dlms` needs one of protocol dlms", str(error)
    )
