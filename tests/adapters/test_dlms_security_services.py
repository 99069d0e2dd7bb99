"""Security of a meter through the adapter: whose fault a wrong key is, and which keys are in use when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.devices.dlms_client_engine import _credentials, _keys
from adapters.devices.dlms_meter import DlmsMeter
from adapters.errors import BenchError, NotPermitted, Refused
from harness.bench import LiveBench, open_bench


@pytest.fixture(scope="module")
def bench() -> Iterator[LiveBench]:
    """The bench with a meter of each suite."""
    live = open_bench("virtual:mcs301-suites")
    yield live
    live.close()


@pytest.fixture(params=["suite0", "suite1", "suite2"])
def meter(bench: LiveBench, request: pytest.FixtureRequest) -> DlmsMeter:
    """One meter after the other."""
    found = bench.devices[request.param]
    assert isinstance(found, DlmsMeter)
    return found


def test_change_keys_follows_the_meter_and_comes_back(meter: DlmsMeter) -> None:
    """The next association uses the new keys, the old ones are refused, and the way back opens again."""
    meter.associate("management", "ip", "a")
    done = meter.change_keys(encryption_key="next_encryption_key", association="a")
    assert (done.client, done.taken) == ("management", ("next_encryption_key",))
    assert meter.get("energy_import", association="a").value  # what was agreed on stays with it
    meter.associate("management", "ip", "b")
    assert meter.get("energy_import", association="b").value
    meter.use_keys("management", encryption_key="encryption_key")
    with pytest.raises(Refused):
        meter.associate("management", "ip", "old")
    meter.use_keys("management", encryption_key="next_encryption_key")
    meter.associate("management", "rs485", "c")
    meter.change_keys(encryption_key="encryption_key", association="c")
    meter.associate("management", "ip", "d")
    assert meter.get("energy_import", association="d").value
    meter.release_all()


def test_change_keys_refused_leaves_the_keys_in_use(meter: DlmsMeter) -> None:
    """After a refusal the adapter goes on with the keys it had."""
    meter.associate("management", "ip", "a")
    with pytest.raises(Refused):
        meter.change_keys(encryption_key="next_encryption_key", association="a", flaw="wrong-master-key")
    meter.release("a")
    meter.associate("management", "ip", "b")
    assert meter.get("energy_import", association="b").value
    meter.release_all()


def test_change_keys_what_the_bench_lacks_is_the_benchs(bench: LiveBench) -> None:
    """A secret nobody gave, no key at all, an unknown flaw: nothing is sent, and no meter is blamed."""
    meter = bench.devices["suite1"]
    meter.associate("management", "ip", "a")
    with pytest.raises(NotPermitted, match=r"management\.another_key"):
        meter.change_keys(encryption_key="another_key", association="a")
    with pytest.raises(NotPermitted, match=r"management\.another_key"):
        meter.use_keys("management", encryption_key="another_key")
    with pytest.raises(BenchError, match="at least one key"):
        meter.change_keys(association="a")
    with pytest.raises(BenchError, match="wrong-master-key"):
        meter.change_keys(encryption_key="next_encryption_key", association="a", flaw="upside-down")
    with pytest.raises(BenchError, match="64 octets where the suite takes 16"):
        meter.change_keys(encryption_key="meter_public_key", association="a")
    meter.release_all()


def test_read_security_tells_words(meter: DlmsMeter) -> None:
    """Version 0 and version 1 have other numbers for one policy; a person reads the same word."""
    opened = meter.associate("management", "ip", "a")
    found = meter.read_security()
    assert (found.client, found.policy) == ("management", "authenticated-encrypted")
    assert found.meter_system_title == opened.meter_system_title
    assert found.suite == meter.profile.security.suite
    assert found.version == (1 if found.suite else 0)
    assert meter.read_security("reading").client == "reading"
    meter.release_all()


@pytest.mark.parametrize(
    "own, peer", [(b"\1" * 31, b""), (b"", b"\1" * 64), (b"\0" * 32, b""), (b"", b"\1" * 5)]
)
def test_credentials_that_are_none_blame_the_bench(own: bytes, peer: bytes) -> None:
    """A key of a wrong length, a point beside the curve: a bench error, and not a word of the octets."""
    with pytest.raises(BenchError) as caught:
        _credentials({"signing_key": own, "meter_public_key": peer})
    assert "0101" not in str(caught.value)


def test_keys_of_another_length_blame_the_bench() -> None:
    """Suite 2 with keys of 16 octets is told in numbers."""
    with pytest.raises(BenchError, match="suite 2 takes keys of 32 octets; the bench gives 16 and 16"):
        _keys({"encryption_key": bytes(16), "authentication_key": bytes(16)}, 2)
