"""One round of the benchmark against termineter, so that every test run tells where the ratio stands."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest

from benchmarks import c1218_against_termineter as benchmark

pytestmark = pytest.mark.oracle


def test_speed_ratio_to_termineter_is_told(record_property: Callable[[str, object], None]) -> None:
    """Both read the same octets of the same tables over the same wires; how fast is printed, not judged."""
    measured = benchmark.measure(rounds=1)
    assert list(measured) == [case.name for case in benchmark.CASES]
    for case in benchmark.CASES:
        figures = measured[case.name]
        record_property(
            "figure",
            f"C12.18 full reads, {case.name}: {1 / median(figures.client):,.0f}/s, "
            f"{median(figures.ratios(figures.client)):.1f} times termineter (aim {case.aim:.0f})",
        )
