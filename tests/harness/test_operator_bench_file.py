"""What a bench file may say of a person on it, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.bench_check import check_bench

HEAD = "bench: desk\nprovider: local\nallow: [configure]\ndevices:\n"
SERIAL = 'identity: {serial: "TMS-1"}'


def written(tmp_path: Path, device: str, head: str = HEAD) -> Path:
    """Write a bench file with one device."""
    path = tmp_path / "bench.yaml"
    path.write_text(f"{head}  it: {{{device}}}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "link",
    ["", "link: {transport: terminal}", "link: {transport: terminal, device: /dev/tty, answer_s: 90}"],
)
def test_bench_with_an_operator_is_sound_with_or_without_a_link(tmp_path: Path, link: str) -> None:
    """He sits where the run is started, unless the bench says otherwise."""
    fields = ", ".join(filter(None, ["role: provisioning_head_end, adapter: operator", SERIAL, link]))
    found = check_bench(written(tmp_path, fields))
    assert (list(found.errors), list(found.warnings)) == ([], [])


@pytest.mark.parametrize(
    "device, says",
    [
        (
            "role: path_switch, adapter: operator, link: {transport: tcp, host: 192.0.2.1, port: 1}",
            "an operator sits at a terminal",
        ),
        (
            "role: power_source, adapter: scpi_source, link: {transport: terminal}",
            "does not speak to a person",
        ),
        ("role: path_switch, adapter: operator, link: {transport: terminal, answer_s: 0}", "greater than 0"),
        (
            "role: path_switch, adapter: operator, link: {transport: terminal, device: tty}",
            "does not have the form",
        ),
        ("role: path_switch, adapter: operator, profile: power_source", "the device is a path_switch"),
        ("role: path_switch, adapter: operator, profile: ./none.yaml", "none.yaml"),
        ("role: path_switch, adapter: operator, profile: paths", "no operator profile is called 'paths'"),
        (
            "role: path_switch, adapter: operator, link: {transport: terminal, timeout_s: 5}",
            "unknown key `timeout_s`",
        ),
        ("role: path_swich, adapter: operator", "unknown role"),
    ],
)
def test_bench_with_an_operator_that_is_wrong_is_told_so(tmp_path: Path, device: str, says: str) -> None:
    """Every mistake is found before anybody is disturbed."""
    found = check_bench(written(tmp_path, device))
    assert any(says in str(error) for error in found.errors), found.errors


def test_bench_in_virtual_time_has_no_operator(tmp_path: Path) -> None:
    """A person does not live in virtual time."""
    head = HEAD.replace("provider: local", "provider: virtual\nsite: i210")
    device = "role: path_switch, adapter: operator, link: {transport: terminal}"
    found = check_bench(written(tmp_path, device, head))
    assert ["a person does not live in virtual time" in str(error) for error in found.errors] == [True]


@pytest.mark.parametrize(
    "device, says",
    [
        ("role: provisioning_head_end, adapter: operator", "has no `identity"),
        (
            "role: path_switch, adapter: operator, link: {transport: terminal, device: /dev/pts/none}",
            "is not there",
        ),
    ],
)
def test_bench_with_an_operator_that_lacks_something_is_a_warning(
    tmp_path: Path, device: str, says: str
) -> None:
    """What may be there when the run begins is no mistake yet."""
    found = check_bench(written(tmp_path, device))
    assert list(found.errors) == []
    assert any(says in str(warning) for warning in found.warnings), found.warnings


def test_bench_with_an_operator_who_cannot_hurt_needs_no_identity(tmp_path: Path) -> None:
    """Nothing a path switch does is destructive."""
    found = check_bench(written(tmp_path, "role: path_switch, adapter: operator"))
    assert list(found.warnings) == []
