"""Reading YAML: everything stays text, positions are right, hostile files give one clear message."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from adapters import yaml_file
from adapters.errors import ConfigError, ConfigErrors


class Inner(BaseModel):
    """A nested entry."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    port: int = Field(default=1, ge=1)
    parity: Literal["none", "even"] = "none"
    address_length: Literal[1, 2, 4] = 1
    secrets: dict[str, Literal["env"]] = Field(default_factory=dict)


class Outer(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: str
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()


HOSTILE = {
    "open brackets": ("[" * 200_000, "f:1:33: nested more than 32 levels deep"),
    "open braces": ("{a: " * 100_000, "nested more than 32"),
    "deep blocks": ("".join("  " * depth + "a:\n" for depth in range(500)), "f:33:65: nested"),
    "dashes": ("- " * 200_000, "nested more than 32"),
    "too large": ("a" * 1_100_000, "f: is larger than 1000 kB"),
    "too many": ("- a\n" * 240_000, "f:50000:3: more than 50000 values"),
    "one long text": (":" * 900_000, "a text of more than 100000 characters"),
    "anchor": ("a: &x [1]\nb: *x\n", "f:1:4: anchor &x"),
    "alias": ("a: 1\nb: *x\n", "f:2:4: alias \\*x"),
    "tag": ("a: !!python/object:os.system x\n", "f:1:4: tag tag:yaml.org,2002:python"),
    "tab": ("a:\n\tb: 1\n", "f:2:1: a tab in the indentation; indent with spaces"),
    "NUL": ("a: b\0c\n", "f:1:5: unprintable character U\\+0000"),
    "NUL escaped": ('a: "\\0"\n', "f:1:4: a NUL character"),
    "bidi": ("a: \u202eevil\n", "f:1:4: unprintable character U\\+202E"),
    "not UTF-8": (b"a: b\nc: \xff\n", "f:2:4: is not UTF-8 text: byte 0xff"),
    "UTF-16": ("a: b".encode("utf-16"), "f:1:1: is not UTF-8"),
    "surrogate": (b"a: \xed\xa0\x80\n", "f:1:4: is not UTF-8"),
    "two documents": ("a: 1\n---\nb: 2\n", "f:2:1: a second document"),
    "colon in text": ("title: foo: bar\n", "f:1:11: not valid YAML.*put quotes around"),
    "open bracket": ("a: [1, 2\nb: 3\n", "f:2:2: not valid YAML.*a bracket or a quote is not closed"),
    "open quote": ("a: 'foo\nb: c\n", "f:3:1: not valid YAML"),
    "at sign": ("a: @foo\n", "f:1:4: not valid YAML.*quotes"),
    "indentation": ("a:\n   b: 1\n  c: 2\n", "f:3:3: not valid YAML.*indentation"),
    "no colon": ("a: 1\nfoo\nb: 2\n", "f:3:1: not valid YAML.*colon"),
    "mapping as key": ("{a: 1}: b\n", "f:1:1: a mapping or list used as a key"),
    "empty": ("", "f: is empty"),
    "only comments": ("# nothing\n", "f: is empty"),
    "directive": ("%FOO 1\n---\na: 1\n", "not valid YAML"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_parse_hostile_file_gives_one_clear_message(name: str) -> None:
    """Each hostile file ends in a ConfigError of one line that says where and what."""
    content, expected = HOSTILE[name]
    with pytest.raises(ConfigError) as caught:
        yaml_file.parse(content, "f")
    message = str(caught.value)
    assert re.search(expected, message), message
    assert "\n" not in message
    assert message.isprintable()


def test_parse_duplicate_keys_reports_every_one() -> None:
    """A duplicate key is a mistake, and the message names the line of the first one."""
    with pytest.raises(ConfigErrors) as caught:
        yaml_file.parse("a: 1\nb: 2\na: 3\nb: 4\n", "f")
    assert str(caught.value) == (
        "f:3:1: key `a` stands here twice; it is already in line 1\n"
        "f:4:1: key `b` stands here twice; it is already in line 2"
    )
    assert len(caught.value.errors) == 2


def test_read_hostile_nesting_does_not_crash_the_process(tmp_path: Path) -> None:
    """200 KB of brackets kill the composing C loader; ours ends with an ordinary exception."""
    file = tmp_path / "deep.yaml"
    file.write_text("[" * 200_000)
    program = "import sys; from adapters import yaml_file; yaml_file.read(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "nested more than 32 levels deep" in done.stderr


@pytest.mark.parametrize("make", ["missing", "directory", "device"])
def test_read_unreadable_file_gives_a_config_error(make: str, tmp_path: Path) -> None:
    """A file that is not there, a directory and an endless device are refused in words."""
    path = {"missing": tmp_path / "none.yaml", "directory": tmp_path, "device": Path("/dev/zero")}[make]
    with pytest.raises(ConfigError, match=r"no such file|not a regular file"):
        yaml_file.read(path)


@pytest.mark.parametrize(
    "text", ["0123456", "no", "12:30:00", "1e3", "0x10", "null", "~", "2026-01-05", "1_000", "yes", ".inf"]
)
def test_parse_scalar_stays_text(text: str) -> None:
    """What other readers turn into numbers, dates and booleans stays what was written."""
    assert yaml_file.parse(f"a: {text}\n").data == {"a": text}
    assert yaml_file.parse(f"{text}: a\n").data == {text: "a"}


@given(st.from_regex(r"\A0{1,6}[0-9]{0,12}\Z"))
def test_parse_meter_id_keeps_its_leading_zeros(meter_id: str) -> None:
    """Whatever the id, it comes back with every zero."""
    assert yaml_file.parse(f"meter: {{serial: {meter_id}}}").data == {"meter": {"serial": meter_id}}


words = st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0x7FF), max_size=20)


@given(
    st.recursive(
        words,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
        max_leaves=12,
    )
)
def test_parse_dumped_text_comes_back_unchanged(value: object) -> None:
    """Any nesting of texts survives a round trip through YAML, and every value has a position."""
    dumped = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    found = yaml_file.parse(dumped)
    assert found.data == value
    assert all(position.line >= 1 and position.column >= 1 for position in found.values.values())


@given(st.binary(max_size=300))
def test_parse_any_bytes_gives_data_or_a_config_error(content: bytes) -> None:
    """No input escapes with another exception."""
    message = ""
    try:
        yaml_file.parse(content)
    except ConfigError as error:
        message = str(error)
    assert message.replace("\n", "").isprintable()


def test_positions_point_at_keys_and_values() -> None:
    """Positions count from 1 and know keys and values apart."""
    file = yaml_file.parse("a:\n  - b: 1\n    c: [x, y]\n")
    assert file.at(("a",)) == yaml_file.Position(2, 3)
    assert file.at(("a",), key=True) == yaml_file.Position(1, 1)
    assert file.at(("a", 0, "c", 1)) == yaml_file.Position(3, 12)
    assert file.at(("a", 0, "zzz")) == yaml_file.Position(2, 5)


def test_validate_reports_every_mistake_with_position_and_hint() -> None:
    """Unknown keys, missing keys, wrong types and wrong words come out together, in file order."""
    text = (
        "inner:\n  prot: 5\n  parity: evn\n"
        "many:\n  - port: x1\n  - {port: 0}\n  - port: 3\n    secrets: oops\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        yaml_file.validate(yaml_file.parse(text, "f"), Outer)
    assert str(caught.value).splitlines() == [
        "f:1:1: key `name` is missing",
        "f:2:3: unknown key `prot`; expected one of `address_length`, `parity`, `port`, `secrets`; "
        "did you mean `port`?",
        "f:3:11: `evn` is not known here; expected one of `even`, `none`; did you mean `even`?",
        "f:5:11: expected a whole number, found `x1`",
        "f:6:12: the value should be greater than or equal to 1",
        "f:8:14: expected a mapping (lines of `key: value`), found this value",
    ]


def test_validate_types_text_by_its_field() -> None:
    """Whole numbers and closed sets of numbers are read from text; a text field keeps its zeros."""
    text = "name: 0123\ninner: {port: 010, address_length: 4}\nmany: [{address_length: 2}]\n"
    model = yaml_file.validate(yaml_file.parse(text), Outer)
    assert (model.name, model.inner.port, model.inner.address_length) == ("0123", 10, 4)
    assert model.many[0].address_length == 2


def test_validate_secret_value_is_not_repeated() -> None:
    """A value under ``secrets`` never shows up in a message."""
    with pytest.raises(ConfigErrors) as caught:
        yaml_file.validate(yaml_file.parse("name: x\ninner: {secrets: {ak: HUNTER2}}\n"), Outer)
    assert "HUNTER2" not in str(caught.value)
    assert "this value is not known here" in str(caught.value)
