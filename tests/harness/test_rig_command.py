"""``meterbench rig serve`` and ``meterbench devices`` as a user meets them: another process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import run

COMMAND = [sys.executable, "-m", "harness.cli"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_rig_serve_prints_one_json_document_and_serves_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    """The endpoints are complete, on loopback and alive; the end is clean."""
    process = subprocess.Popen(
        [*COMMAND, "rig", "serve", "mcs301", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        text += line
    site = json.loads(text)
    source = next(each for each in site["endpoints"] if each["device"] == "source")
    host, _, port = source["address"].rpartition(":")
    assert host == "127.0.0.1"
    with socket.create_connection((host, int(port)), 5) as client:
        client.sendall(b"*IDN?\n")
        assert client.recv(100).startswith(b"MeterBench,")
    process.send_signal(stop)
    rest, words = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert words.splitlines() == ["meterbench: serving mcs301; stop with Ctrl-C", "meterbench: stopped"]


def test_rig_serve_unknown_site_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 4 and the names there are."""
    assert run(["rig", "serve", "nowhere"]) == 4
    said = capsys.readouterr().err
    assert "no virtual site is called 'nowhere'; there are " in said
    assert "mcs301" in said


def test_rig_serve_mistake_in_a_site_file_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lab's own site is a file; a mistake in it is one message with line and column, exit code 4."""
    site = tmp_path / "desk.yaml"
    site.write_text("site: desk\ndevices:\n  meter: {model: mcs30, serial: '1'}\n", encoding="utf-8")
    assert run(["rig", "serve", str(site)]) == 4
    said = capsys.readouterr().err
    assert f"{site}:3:" in said
    assert "mcs301" in said
    assert "Traceback" not in said


def test_devices_lists_adapters_providers_and_sites(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON and in words."""
    assert run(["devices", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {
        "name": "scpi_source",
        "role": "power_source",
        "from": "adapters.devices.scpi_source:ScpiSource",
    } in (found["adapters"])
    assert any("mcs301" in each["sites"] for each in found["providers"])
    assert run(["devices"]) == 0
    assert "virtual:mcs301" in capsys.readouterr().out
