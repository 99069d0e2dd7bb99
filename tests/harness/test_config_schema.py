"""The JSON Schema files are current, valid, and accept what the reader accepts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml

from adapters import yaml_file
from harness.config.json_schema import schema_path, schema_text

PLANS = sorted((Path(__file__).parents[2] / "testplans").glob("*/*.yaml"))
PLANS = [path for path in PLANS if path.parent.name != "behaviours"]


@cache
def validator(which: str) -> jsonschema.Draft202012Validator:
    """Return what an editor checks a file with; that the schema itself is sound is a test of its own."""
    return jsonschema.Draft202012Validator(json.loads(schema_text(which)))


@pytest.mark.parametrize("which", ["plan", "bench"])
def test_schema_file_is_what_the_models_say(which: str) -> None:
    """Whoever changes a model runs ``python -m harness.config.json_schema``."""
    assert schema_path(which).read_text("utf-8") == schema_text(which)


@pytest.mark.parametrize("which", ["plan", "bench"])
def test_schema_is_itself_valid(which: str) -> None:
    """Editors refuse a schema that is none."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(which)))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
@pytest.mark.parametrize("reader", ["ours", "an editor's"])
def test_schema_accepts_every_shipped_plan(path: Path, reader: str) -> None:
    """An editor, which types scalars its own way, underlines nothing in a shipped plan."""
    text = path.read_text("utf-8")
    data = yaml_file.parse(text).data if reader == "ours" else yaml.safe_load(text)
    validator("plan").validate(data)


@pytest.mark.parametrize(
    "text",
    [
        "{plan: a}",
        "{plan: a, title: b, needs: {m: nobody}, cases: []}",
        "{plan: a, titel: b, needs: {}, cases: []}",
    ],
)
def test_schema_refuses_what_the_reader_refuses(text: str) -> None:
    """Missing keys, unknown roles and unknown keys are underlined."""
    with pytest.raises(jsonschema.ValidationError):
        validator("plan").validate(yaml.safe_load(text))


def test_schema_accepts_a_bench_with_unquoted_numbers() -> None:
    """A serial number with leading zeros and a port need no quotes in an editor either."""
    text = """
bench: b
devices:
  meter:
    role: dlms_meter
    adapter: dlms
    profile: mcs301
    link: {transport: tcp, host: 192.0.2.7, port: 4059, timeout_s: 2.5, framing: wrapper}
    secrets: {management.authentication_key: "env:AK"}
    identity: {serial: 0012345}
allow: [disconnect]
"""
    validator("bench").validate(yaml.safe_load(text))
