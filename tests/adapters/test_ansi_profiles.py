"""Profiles of ANSI meters: the shipped ones, and every mistake in one as a message with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.errors import ConfigError, ConfigErrors
from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.layout import standard_layouts
from adapters.profiles.loader import load_any_profile, load_profile, load_profile_as, shipped_profiles
from adapters.profiles.model import Profile
from adapters.protocols.c1219 import Known, find, size_of

PROFILE = """\
profile: sample
title: A meter
protocol: c1219
manufacturer: ACME
model: ONE
levels:
  reader: {read: [all], assumed: true}
  master: {read: [all], write: [utility_information], run: [open], assumed: true}
default_level: reader
tables:
  general_configuration: {number: ST0, assumed: true}
  manufacturer_identification: {number: ST1, assumed: true}
  device_identification: {number: ST5, assumed: true}
  utility_information:
    number: ST6
    sizes: {UTILITY_DIV: 16}
    more_fields: [{name: FW_LOAD_DATE, type: octets, size: 2}]
    assumed: true
  status:
    number: MT12
    fields:
      - {name: STATE, type: uint}
      - {name: FLAGS, type: bits, bits: {CLOSED: 0, MODE: 4-7}}
    assumed: true
registers:
  state: {table: status, field: STATE, unit: "1", assumed: true}
procedures:
  open: {number: MP7, hurts: disconnect, octets: "00", assumed: true}
switch:
  table: status
  field: FLAGS.CLOSED
  closed: 1
  open_procedure: open
  close_procedure: open
  assumed: true
"""

# name: (old text, new text, line of the new file, column, message)
MISTAKES: dict[str, tuple[str, str, int, int, str]] = {
    "unknown table of a register": (
        "table: status, field: STATE",
        "table: statsu, field: STATE",
        26,
        18,
        "the profile has no table `statsu`; .*did you mean `status`\\?",
    ),
    "unknown field of a register": (
        "field: STATE,",
        "field: STATUS,",
        26,
        33,
        "table `status` has no field `STATUS`; .*did you mean `STATE`\\?",
    ),
    "unknown bit of the switch": (
        "field: FLAGS.CLOSED",
        "field: FLAGS.CLOSD",
        31,
        10,
        "table `status` has no field `FLAGS.CLOSD`; .*did you mean `FLAGS.CLOSED`\\?",
    ),
    "unknown procedure": (
        "open_procedure: open",
        "open_procedure: opne",
        33,
        19,
        "the profile has no procedure `opne`; expected `open`",
    ),
    "unknown table of a level": (
        "write: [utility_information]",
        "write: [utility_informatoin]",
        8,
        33,
        "the profile has no table `utility_informatoin`; .*did you mean `utility_information`\\?",
    ),
    "unknown default level": (
        "default_level: reader",
        "default_level: raeder",
        9,
        16,
        "the profile has no level `raeder`; .*did you mean `reader`\\?",
    ),
    "number without its letters": (
        "number: MT12",
        "number: 2060",
        20,
        13,
        "`2060` is not a table such as ST23 or MT5",
    ),
    "procedure numbered as a table": (
        "number: MP7",
        "number: MT7",
        28,
        18,
        "`MT7` is not a procedure such as SP10 or MP3",
    ),
    "two tables of one number": (
        "number: MT12",
        "number: ST5",
        20,
        13,
        "table `device_identification` has this number already",
    ),
    "standard table of another number": (
        "number: ST6",
        "number: ST7",
        15,
        13,
        "the standard table `utility_information` is ST6; choose another name, or say which `layout` it has",
    ),
    "size of a field nobody has": (
        "sizes: {UTILITY_DIV: 16}",
        "sizes: {UTILTY_DIV: 16}",
        16,
        13,
        "the table has no field `UTILTY_DIV`; did you mean `UTILITY_DIV`\\?",
    ),
    "unknown layout": (
        "number: ST5, assumed",
        "number: ST5, layout: device_identifcation, assumed",
        13,
        48,
        "the profile has no layout `device_identifcation`; did you mean `device_identification`\\?",
    ),
    "field type nobody knows": (
        "type: octets, size: 2",
        "type: octest, size: 2",
        17,
        46,
        "`octest` is not known here; .*did you mean `octets`\\?",
    ),
    "bit beyond the field": (
        "MODE: 4-7",
        "MODE: 4-8",
        23,
        9,
        "field FLAGS: MODE is bit 8 of 8",
    ),
    "size that is none": (
        "type: octets, size: 2",
        "type: octets, size: two octets",
        17,
        60,
        "`two octets` is no amount; expected a number",
    ),
    "entry without provenance": (
        'unit: "1", assumed: true',
        'unit: "1"',
        26,
        10,
        "give either 'source: <document, page>' or 'assumed: true'",
    ),
    "table that every meter has": (
        "  manufacturer_identification: {number: ST1, assumed: true}\n",
        "",
        11,
        3,
        "table `manufacturer_identification` is missing; every meter has it",
    ),
    "unknown key": (
        "default_level: reader",
        "default_levle: reader",
        9,
        1,
        "unknown key `default_levle`; did you mean `default_level`\\?",
    ),
}


def errors(tmp_path: Path, text: str) -> tuple[ConfigError, ...]:
    """Return the mistakes of a profile."""
    path = tmp_path / "sample.yaml"
    path.write_text(text)
    try:
        load_profile_as(path, AnsiProfile)
    except ConfigErrors as error:
        return error.errors
    return ()


def test_profile_sample_is_sound_and_its_changes_take_effect(tmp_path: Path) -> None:
    """The profile the mistakes are made in has none; sizes and further fields change the standard layout."""
    assert errors(tmp_path, PROFILE) == ()
    profile = load_profile_as(tmp_path / "sample.yaml", AnsiProfile)
    layout = profile.layout_of("utility_information")
    assert layout is not None
    assert size_of(layout, Known()) == 230 - 4 + 2
    assert find(layout, "TARIFF_ID", Known()).offset == 166
    assert profile.tables["status"].number == 2048 + 12
    assert profile.table_at(2060) == "status"


def test_profile_is_parsed_once_until_its_file_changes(tmp_path: Path) -> None:
    """Benches share what they read of the same file; a file that was edited is read anew."""
    path = tmp_path / "sample.yaml"
    path.write_text(PROFILE)
    first = load_profile_as(path, AnsiProfile)
    assert load_profile_as(path, AnsiProfile) is first
    path.write_text(PROFILE.replace("model: ONE", "model: TWO"))
    assert (first.model, load_profile_as(path, AnsiProfile).model) == ("ONE", "TWO")


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_profile_mistake_gives_one_clear_message(name: str, tmp_path: Path) -> None:
    """One mistake, one message, with its line and column and the nearest right word."""
    old, new, line, column, message = MISTAKES[name]
    assert PROFILE.count(old) == 1, old
    found = errors(tmp_path, PROFILE.replace(old, new))
    own = [error for error in found if (error.line, error.column) == (line, column)]
    assert own, "\n".join(map(str, found))
    assert re.search(message, str(own[0])), own[0]
    assert all("\n" not in str(error) for error in found)


@pytest.mark.parametrize("name", shipped_profiles("c1219"))
def test_shipped_profile_says_where_its_numbers_come_from(name: str) -> None:
    """Standard tables have a source; whatever a manufacturer decides is admitted to be ours."""
    profile = load_profile_as(name, AnsiProfile)
    for table in profile.tables.values():
        assert table.assumed == (table.number >= 2048)
    for procedure in profile.procedures.values():
        assert procedure.assumed == (procedure.number >= 2048)
    assert all(register.assumed for register in profile.registers.values())


def test_standard_layouts_have_a_source_and_a_number_of_their_own() -> None:
    """No layout of the standard is assumed, and no two are of the same table."""
    layouts = standard_layouts()
    assert all(layout.source and not layout.assumed for layout in layouts.values())
    assert len({layout.number for layout in layouts.values()}) == len(layouts)


def test_profile_of_another_kind_is_a_mistake_in_plain_words(tmp_path: Path) -> None:
    """Each loader says which kind it needs and which profiles there are."""
    with pytest.raises(ConfigError, match=r"of protocol c1219, and one of protocol dlms is needed.*mcs301"):
        load_profile("i210")
    with pytest.raises(ConfigError, match=r"of protocol dlms, and one of protocol c1219 is needed.*i210"):
        load_profile_as("mcs301", AnsiProfile)
    assert isinstance(load_any_profile("mcs301"), Profile)
    assert isinstance(load_any_profile("i210"), AnsiProfile)
    path = tmp_path / "odd.yaml"
    path.write_text("profile: odd\nprotocol: c1291\n")
    with pytest.raises(ConfigError, match=r"odd.yaml:2:11: unknown protocol `c1291`.*did you mean `c1219`\?"):
        load_any_profile(path)
