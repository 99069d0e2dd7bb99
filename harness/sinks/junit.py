"""JUnit XML of a run, made from its journal: complete however the run ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from harness.records import CaseRecord
from harness.run_folder import write_whole
from harness.run_record import PlannedCase, RunRecord
from harness.scrub import visible
from harness.sinks.allure import headline
from harness.sinks.measurements import checks_of
from harness.verdicts import Verdict

_ELEMENT = {
    Verdict.failed: "failure",
    Verdict.skipped: "skipped",
    Verdict.inconclusive: "error",
    Verdict.bench_error: "error",
    Verdict.aborted: "error",
}


def write_junit(run: RunRecord, path: Path) -> None:
    """Write one test suite for each plan; a planned case nobody began is ``skipped`` as not run."""
    root = ElementTree.Element("testsuites", name=run.name)
    plans: dict[str, list[ElementTree.Element]] = {}
    for record in run.cases:
        plans.setdefault(record.plan, []).append(_case(record))
    for planned in run.not_run:
        plans.setdefault(planned.plan, []).append(_not_run(planned))
    for plan, cases in plans.items():
        suite = ElementTree.SubElement(root, "testsuite", name=plan)
        suite.set("timestamp", str(run.header.get("w", "")))
        suite.extend(cases)
        _count(suite, cases)
    _count(root, [case for cases in plans.values() for case in cases])
    ElementTree.indent(root, " ")
    text = ElementTree.tostring(root, encoding="unicode")
    write_whole(path, '<?xml version="1.0" encoding="utf-8"?>\n' + text + "\n")


def _case(record: CaseRecord) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=record.plan, name=_clean(record.key))
    seconds = 0.0
    if record.wall_started is not None and record.wall_ended is not None:
        seconds = max(0.0, (record.wall_ended - record.wall_started).total_seconds())
    case.set("time", f"{seconds:.3f}")
    _properties(case, record.verifies, record.verdict.name, record.title)
    if record.verdict in _ELEMENT:
        message = _clean(headline(record.verdict, record.message))
        element = ElementTree.SubElement(case, _ELEMENT[record.verdict], message=message)
        element.set("type", record.verdict.name)
        failed = [check.sentence() for _, check in checks_of(record) if not check.passed]
        element.text = _clean("\n".join([message, *failed]))
    return case


def _not_run(planned: PlannedCase) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=planned.plan, name=_clean(planned.key), time="0.000")
    _properties(case, planned.verifies, "not_run", planned.title)
    ElementTree.SubElement(case, "skipped", message="not run: the run ended before this case", type="not_run")
    return case


def _properties(case: ElementTree.Element, verifies: Sequence[str], verdict: str, title: str) -> None:
    properties = ElementTree.SubElement(case, "properties")
    pairs = [("verdict", verdict), ("title", title), *(("requirement", behaviour) for behaviour in verifies)]
    for name, value in pairs:
        ElementTree.SubElement(properties, "property", name=name, value=_clean(value))


def _count(element: ElementTree.Element, cases: Sequence[ElementTree.Element]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(text: str) -> str:
    """Return text XML can hold; records are clean already, a journal somebody edited may not be."""
    return visible(text, limit=1 << 20)
