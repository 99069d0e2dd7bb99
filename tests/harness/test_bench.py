"""From a bench file or a site's name to live devices: what is refused, and what stands before harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.errors import BenchError, ConfigError, NotPermitted
from harness.bench import LiveBench, open_bench
from harness.scrub import Scrubber

SITE = "virtual:mcs301"


@pytest.fixture
def bench() -> Iterator[LiveBench]:
    """The virtual MCS301 bench."""
    live = open_bench(SITE)
    yield live
    live.close()


def test_open_unknown_site_names_those_there_are() -> None:
    """A misspelt site is told with the right ones."""
    with pytest.raises(BenchError, match="mcs301"):
        open_bench("virtual:mcs103")


def test_open_unknown_provider_names_those_there_are() -> None:
    """A misspelt provider is told with the right ones."""
    with pytest.raises(BenchError, match="virtual"):
        open_bench("virtuel:mcs301")


def test_open_local_bench_cannot_be_broken(tmp_path: Path) -> None:
    """Behaviours of real devices cannot be switched off from here."""
    path = tmp_path / "b.yaml"
    path.write_text(
        "bench: b\ndevices:\n  source: {role: power_source, adapter: scpi_source,\n"
        "    link: {transport: tcp, host: 127.0.0.1, port: 5025}}\n"
    )
    with pytest.raises(BenchError, match="cannot be broken"):
        open_bench(str(path), broken=frozenset({"DL-CLI-01"}))


def test_open_bad_bench_file_is_a_config_error(tmp_path: Path) -> None:
    """A mistake in a bench file has its line and column, and nothing was opened."""
    path = tmp_path / "b.yaml"
    path.write_text("bench: b\ndevices:\n  m: {role: dlms_meter, adapter: dlsm}\n")
    with pytest.raises(ConfigError, match=r"b\.yaml:3"):
        open_bench(str(path))


def test_permit_kind_not_allowed_is_refused(bench: LiveBench) -> None:
    """What the bench file does not allow is not sent."""
    with pytest.raises(NotPermitted, match="factory_reset"):
        bench.permit("meter", "factory_reset")


def test_permit_wrong_serial_is_refused(bench: LiveBench) -> None:
    """Another meter than the bench names gets nothing that can hurt."""
    bench.identity_expected = {"meter": "99999999"}
    with pytest.raises(BenchError, match="99999999"):
        bench.permit("meter", "disconnect")


def test_permit_right_serial_is_read_back(bench: LiveBench) -> None:
    """The serial number is read over the wire, and holds for a while."""
    bench.identity_expected = {"meter": bench.devices["meter"].identify().serial}
    bench.permit("meter", "disconnect")
    assert "meter" in bench._verified_s


def test_open_link_secrets_never_reach_the_transcript(tmp_path: Path) -> None:
    """The password of an LLS association crosses the wire in clear and is blanked in log and capture."""
    scrubber = Scrubber()
    live = open_bench(SITE, wire_dir=tmp_path / "wire", scrubber=scrubber)
    meter = live.devices["meter"]
    password = meter._context.secrets["management.password"].reveal()
    meter.associate("management", "ip", mechanism="lls")
    live.close()
    written = [path.read_bytes() for path in (tmp_path / "wire").iterdir()]
    assert written
    assert not any(password in content for content in written)
    assert not any(password.hex(" ").encode() in content for content in written)


def test_end_case_releases_what_was_left_open(bench: LiveBench) -> None:
    """A case that forgot an association does not spoil the next one."""
    meter = bench.devices["meter"]
    meter.associate("management", "optical")
    bench.end_case()
    meter.associate("public", "optical")
    bench.end_case()


def test_open_bench_that_asks_for_less_still_offers_what_the_adapter_can(tmp_path: Path) -> None:
    """A dlms adapter in the role of a meter serves a plan that needs a dlms_meter."""
    path = tmp_path / "b.yaml"
    path.write_text(
        "bench: b\ndevices:\n  meter: {role: meter, adapter: dlms, profile: mcs301,\n"
        "    link: {transport: tcp, host: 127.0.0.1, port: 4059}}\n"
    )
    live = open_bench(str(path))
    assert live.roles["meter"] == "dlms_meter"
    live.close()


def test_open_bench_with_a_path_switch_needs_to_know_its_paths(tmp_path: Path) -> None:
    """A profile of paths is checked like any other; without one the bench is not sound."""
    path = tmp_path / "b.yaml"
    entry = "{{role: path_switch, adapter: scpi_switch, {}link: {{transport: tcp, host: a, port: 5025}}}}"
    path.write_text("bench: b\ndevices:\n  paths: " + entry.format("profile: lab_paths, ") + "\n")
    live = open_bench(str(path))
    assert live.roles["paths"] == "path_switch"
    live.close()
    for wrong, message in (("", "needs a profile"), ("profile: mcs301, ", "protocol paths")):
        path.write_text("bench: b\ndevices:\n  paths: " + entry.format(wrong) + "\n")
        with pytest.raises(ConfigError, match=message):
            open_bench(str(path))
