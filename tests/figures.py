"""Figures a test took and does not judge, printed after the tests: ``record_property("figure", text)``."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print them, in whichever process they were taken."""
    figures = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures of this run (told, not judged: a busy machine turns nothing red)")
        for figure in figures:
            terminalreporter.write_line(figure)
