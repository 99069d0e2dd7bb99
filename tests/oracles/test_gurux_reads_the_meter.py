"""gurux-dlms, an independent client in a process of its own, reads our virtual meter on the wall clock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from adapters.clock import WallClock
from virtual_rig.provider import ServedSite, VirtualProvider

READER = Path(__file__).with_name("gurux_reader.py")
COUNTERS = count(1000, 1000)  # gurux starts anew each time; the meter remembers

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def site() -> Iterator[ServedSite]:
    pytest.importorskip("gurux_dlms")
    with VirtualProvider().serve("mcs301", seed=1) as served:
        yield served
        assert served.failures == []


def read(site: ServedSite, link: str, client: str, mechanism: str) -> dict[str, object]:
    """Run the foreign client against ``link`` and return what it found."""
    endpoint = next(each for each in site.endpoints if each["link"] == link)
    known = next(each for each in endpoint["clients"] if each["client"] == client)  # type: ignore[attr-defined]
    settings = {
        **{key: known[key] for key in ("password", "encryption_key", "authentication_key") if key in known},
        "client": known["sap"],
        "mechanism": mechanism,
        "client_system_title": endpoint["client_system_title"],
        "invocation_counter": next(COUNTERS),
    }
    host, _, port = str(endpoint["address"]).rpartition(":")
    if endpoint["kind"] == "tcp":
        settings |= {"link": "tcp", "host": host, "port": int(port)}
    else:
        settings |= {"link": "hdlc", "port": endpoint["address"], "baud": int(str(endpoint["baud"]))}
    run = subprocess.run(
        [sys.executable, str(READER), json.dumps(settings)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, object] = json.loads(run.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.parametrize("link", ["ip", "rs485"])
@pytest.mark.parametrize("mechanism", ["none", "lls", "hls-gmac"])
def test_gurux_reads_name_clock_energy_and_object_list(site: ServedSite, link: str, mechanism: str) -> None:
    """Over wrapper and HDLC, without security, with LLS and with HLS-GMAC in a ciphered context."""
    client = "public" if mechanism == "none" else "management"
    found = read(site, link, client, mechanism)
    assert found["name"] == "MCS3100030112345"
    told = datetime.fromisoformat(str(found["clock"]))
    assert abs((told.astimezone(UTC) - WallClock().utc_now()).total_seconds()) < 5
    if client == "public":
        assert (found["objects"], found["registers"]) == (10, 0)
    else:
        assert (found["objects"], found["registers"]) == (len(site.built.profile.objects), 20)
        assert found["unit"] == 30
        assert found["scaler"] == 1
        assert int(str(found["energy"])) >= 1_234_567


def test_gurux_wrong_password_is_told_so(site: ServedSite) -> None:
    """The foreign client understands our refusal."""
    endpoint = next(each for each in site.endpoints if each["link"] == "ip")
    host, _, port = str(endpoint["address"]).rpartition(":")
    settings = {"link": "tcp", "host": host, "port": int(port), "client": 1, "mechanism": "lls"}
    run = subprocess.run(
        [sys.executable, str(READER), json.dumps(settings | {"password": "wrong"})],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode != 0
    assert "authentication" in run.stderr.lower()
