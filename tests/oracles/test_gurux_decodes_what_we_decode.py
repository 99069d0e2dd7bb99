"""One round of the benchmark of decoding, so that every test run tells where the ratios stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import pytest

from benchmarks import decode as benchmark

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def gurux() -> Iterator[benchmark.GuruxCodec]:
    """Start the other process once."""
    with benchmark.GuruxCodec() as found:
        yield found


@pytest.mark.parametrize("case", benchmark.cases(), ids=lambda case: case.name)
def test_decoders_agree_and_their_speed_is_told(
    case: benchmark.Case, gurux: benchmark.GuruxCodec, record_property: Callable[[str, object], None]
) -> None:
    """Both say the same of the same octets; how fast is printed, not judged."""
    figures = benchmark.measure(case, gurux, rounds=1)
    record_property(
        "figure",
        f"decoding, {case.name}: {1 / median(figures.client):,.0f}/s, "
        f"{median(figures.ratios(figures.client)):.1f} times gurux-dlms (aim {case.aim:.0f})",
    )


def test_decoders_that_do_not_agree_are_told(gurux: benchmark.GuruxCodec) -> None:
    """The comparison is one that can fail."""
    case = benchmark.frame_case(16, 1, 1)
    with pytest.raises(ValueError, match="decodes something else"):
        benchmark.measure(replace(case, decode=lambda: b"something else"), gurux, rounds=1)
