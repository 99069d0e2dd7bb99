"""``plan`` and ``bench`` on the command line: exit codes, JSON alone on stdout, words on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli

PLAN = """\
plan: p
title: A title
source: Document 7
needs: {meter: dlms_meter}
parameters: {limit: 5 s}
cases:
  - id: A-1
    title: On ${link}
    verifies: [DL-CLI-01]
    for_each: [{link: ip}, {link: rs485}]
    steps:
      - title: Open
        do: meter.associate
        with: {client: public, link: "${link}"}
        within: ${limit}
        expect: {max_pdu: {between: [64, 65535]}, mechanism: none}
      - do: meter.associate
        with: {client: management, link: "${link}", flaw: wrong-key}
        expect: {refused: [security, association-rejected]}
    always:
      - do: meter.disconnect_supply
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Return a sound plan."""
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def run(*arguments: object) -> int:
    """Run a command in this process."""
    try:
        return cli.run([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)


def test_plan_check_of_a_sound_plan_ends_with_0(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People read stderr; stdout stays empty without --json."""
    assert run("plan", "check", plan) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{plan}: 2 cases, no mistake\n")


def test_plan_check_with_mistakes_ends_with_4_and_no_traceback(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a mistake, for all files."""
    other = plan.with_name("other.yaml")
    other.write_text("[" * 100_000)
    plan.write_text(PLAN.replace("max_pdu", "max_pud").replace("always:", "alwais:"))
    assert run("plan", "check", plan, other) == 4
    err = capsys.readouterr().err
    assert "did you mean `max_pdu`?" in err
    assert "did you mean `always`?" in err
    assert "nested more than 32 levels deep" in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 3


def test_plan_check_json_is_alone_on_stdout(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program can read it."""
    assert run("plan", "check", plan, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["errors"] == []
    assert found["plans"][0]["cases"] == ["A-1[ip]", "A-1[rs485]"]
    assert found["plans"][0]["permissions"] == ["disconnect"]
    plan.write_text(PLAN.replace("needs", "neds"))
    assert run("plan", "check", plan, "--json") == 4
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert {"file", "line", "column", "message", "hint"} == set(errors[0])
    assert errors[0]["line"] == 1


def test_plan_check_of_a_folder_takes_every_plan_in_it(plan: Path) -> None:
    """The catalogue beside the plans is no plan."""
    (plan.parent / "behaviours").mkdir()
    (plan.parent / "behaviours" / "x.yaml").write_text("families: {}\nbehaviours: []\n")
    assert run("plan", "check", plan.parent) == 0


def test_plan_show_prints_a_checklist(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cases, rows, steps, arguments, limits, behaviours, sources, permissions."""
    assert run("plan", "show", plan) == 0
    out = capsys.readouterr().out
    for expected in (
        "A title\n=======",
        "source:      Document 7",
        "permissions: disconnect",
        "[ ] A-1  On ${link}",
        "verifies DL-CLI-01: ",
        "[ ] row ip: link=ip",
        "[ ] 1.  Open\n            meter.associate\n            with client = public, link = ${link}",
        "within ${limit}",
        "expect max_pdu: between 64 and 65535",
        "expect mechanism: none",
        "expect refused: security or association-rejected",
        "[ ] A1. always: meter.disconnect_supply",
        "Signature: ___",
    ):
        assert expected in out
    assert max(map(len, out.splitlines())) <= 100
    assert run("plan", "show", plan, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cases"][0]["steps"][1]["limits"] == [
        "refused: security or association-rejected"
    ]


def test_plan_actions_lists_words_and_refuses_unknown_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """An author finds out what there is."""
    assert run("plan", "actions", "dlms_meter") == 0
    out = capsys.readouterr().out
    assert "  disconnect_supply  [needs disconnect]\n" in out
    assert "link: text, default none" in out
    assert run("plan", "actions", "nothing") == 4


@pytest.mark.parametrize("which", ["plan", "bench"])
def test_plan_schema_prints_json(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An editor can be pointed at it."""
    assert run("plan", "schema", which) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_parameter_without_a_value_ends_with_4(plan: Path) -> None:
    """A usage mistake, not a traceback."""
    assert run("plan", "check", plan, "-P", "limit") == 4
    assert run("plan", "check", plan, "-P", "limit=1 V") == 4
    assert run("plan", "check", plan, "-P", "limit=1 min") == 0


def test_bench_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings do not change the exit code, mistakes do; the secret is not shown."""
    bench = tmp_path / "bench.yaml"
    text = (
        "bench: b\ndevices:\n  m:\n    role: power_source\n    adapter: scpi_source\n"
        "    link: {transport: %s}\n"
    )
    bench.write_text(text % "serial, port: /dev/none")
    assert run("bench", "check", bench) == 0
    assert f"warning: {bench}:6:37: port /dev/none is not there" in capsys.readouterr().err
    bench.write_text(text % "tcp, host: h, port: 1" + "    secrets: {password: HUNTER2}\n")
    assert run("bench", "check", bench, "--json") == 4
    out, err = capsys.readouterr()
    assert json.loads(out)["errors"][0]["line"] == 7
    assert "HUNTER2" not in out + err


def test_plan_check_against_a_bench_finds_what_is_not_there(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device, a role or a link the bench lacks is found at the desk; a permission it lacks is a warning."""
    bench = plan.with_name("bench.yaml")
    text = (
        "bench: b\ndevices:\n  meter:\n    role: dlms_meter\n    adapter: dlms\n    profile: mcs301\n"
        "    links:\n      ip: {transport: tcp, host: h, port: 1}\n"
        "      rs485: {transport: serial, port: /dev/x}\n"
    )
    bench.write_text(text)
    assert run("plan", "check", plan, "--bench", bench) == 0
    assert "A-1[ip] will be skipped" in capsys.readouterr().err
    bench.write_text(text.replace("rs485:", "rs486:"))
    assert run("plan", "check", plan, "--bench", bench) == 4
    assert "has no link `rs485` to `meter`; expected one of `ip`, `rs486`" in capsys.readouterr().err
    bench.write_text(text.replace("  meter:", "  metre:"))
    assert run("plan", "check", plan, "--bench", bench) == 4
    assert (
        "the plan needs `meter` (dlms_meter), bench b has none; expected `metre`" in capsys.readouterr().err
    )
    bench.write_text(text.replace("role: dlms_meter", "role: power_source"))
    assert run("plan", "check", plan, "--bench", bench) == 4
    assert "to be a dlms_meter, bench b has a power_source" in capsys.readouterr().err


def test_help_does_not_load_the_unit_library() -> None:
    """``meterbench plan --help`` answers at once."""
    program = (
        "import sys; from harness import cli; cli.run(['plan', '--help']); "
        "sys.exit(int('pint' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0
