"""The pages MeterBench writes itself: the front page and the requirement matrix. Plain, inert HTML."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from harness.verdicts import Verdict, worst
from reports.results import Result

CASES_PAGE = "cases/index.html"
REQUIREMENTS_PAGE = "requirements/index.html"
COVERAGE_PAGE = "coverage.html"

ORDER = (
    Verdict.passed,
    Verdict.failed,
    Verdict.bench_error,
    Verdict.inconclusive,
    Verdict.aborted,
    Verdict.skipped,
)

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2530;background:#f2f5f8;margin:0;padding:32px 16px}
main{max-width:1080px;margin:auto;background:#fff;border-radius:8px;padding:28px 36px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:32px 0 8px}p{margin:4px 0 12px}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid #e3e8ee;vertical-align:top}
th{font-weight:600;color:#556}td.n{text-align:right;font-variant-numeric:tabular-nums;width:1%;white-space:nowrap;padding-right:16px}
td{overflow-wrap:anywhere}td.id,td.v{white-space:nowrap;width:1%;overflow-wrap:normal}
.v span{display:inline-block;padding:0 8px;border-radius:4px;font-size:13px;font-weight:600}
.passed span{background:#d8f3dc;color:#14532d}.failed span{background:#fbd5d5;color:#7f1d1d}
.bench_error span{background:#ffe6b8;color:#6b3f00}.inconclusive span{background:#fff4c2;color:#5c4b00}
.aborted span{background:#e6dcf7;color:#44246f}.skipped span,.none span{background:#e4e8ed;color:#3b4654}
nav a{display:inline-block;margin:8px 12px 0 0;padding:8px 16px;border-radius:6px}
nav a{background:#1f4e8c;color:#fff;text-decoration:none}
a{color:#1f4e8c}pre{white-space:pre-wrap;margin:0;font:13px/1.45 ui-monospace,monospace}
.facts td:first-child{color:#556;width:220px}footer{margin-top:28px;color:#667;font-size:13px}
"""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One row of the requirement matrix, as ``meterbench coverage --json`` gives it."""

    id: str
    title: str = ""
    modelled: bool | None = None  # None: nobody said
    cases: tuple[str, ...] = ()
    qualified: bool | None = None
    context: str = ""  # why it cannot be tested, for an id that is context only


def front_page(title: str, facts: Mapping[str, str], results: Sequence[Result], *, matrix: bool) -> str:
    """Return the page a reader opens first: what ran, how it ended, what needs attention."""
    whole = worst(result.verdict for result in results)
    counts = Counter(result.verdict for result in results)
    rows = "".join(
        f'<tr><td class="n">{counts[verdict]}</td>{_badge(verdict)}<td>{escape(verdict.meaning)}</td></tr>'
        for verdict in ORDER
        if counts[verdict] or verdict in (Verdict.passed, Verdict.failed)
    )
    open_cases = [result for result in results if result.verdict is not Verdict.passed]
    open_cases.sort(key=lambda result: -result.verdict)
    several = len({result.bench for result in results}) > 1
    attention = _case_rows(open_cases, several)
    passed = _case_rows([result for result in results if result.verdict is Verdict.passed], several)
    fact_rows = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in facts.items())
    matrix_link = f'<a href="{COVERAGE_PAGE}">Requirement matrix</a>' if matrix else ""
    ended = f"{len(results)} cases" if results else "no case has a result"
    return _page(
        title,
        f"<h1>{escape(title)}</h1><table><tr>{_badge(whole if results else None)}"
        f"<td>{ended}; the verdict of the whole is the worst of its parts.</td></tr></table>"
        f'<nav><a href="{CASES_PAGE}">Cases, steps and evidence</a>'
        f'<a href="{REQUIREMENTS_PAGE}">Cases by requirement</a>{matrix_link}</nav>'
        f"<h2>Verdicts</h2><table>{rows}</table>"
        + (f"<h2>Not passed</h2><table>{attention}</table>" if attention else "")
        + (f'<h2>About the run</h2><table class="facts">{fact_rows}</table>' if fact_rows else "")
        + (f"<h2>Passed</h2><table>{passed}</table>" if passed else "")
        + "<footer>Made by MeterBench; the case pages by Allure Report 3. "
        "This folder needs no network and no server.</footer>",
    )


def matrix_page(title: str, behaviours: Sequence[Behaviour], results: Sequence[Result]) -> str:
    """Return the requirement matrix: each behaviour, what verifies it, and how that ended in these runs."""
    by_id = _by_requirement(results)
    rows = []
    judged: list[Verdict] = []
    for one in behaviours:
        ran = by_id.get(one.id, [])
        verdict = worst(result.verdict for result in ran) if ran else None
        if verdict in (Verdict.passed, Verdict.failed):
            judged.append(verdict)
        ran_keys = {name for result in ran for name in _names(result)}
        absent = [f"{escape(case)} (not in these runs)" for case in one.cases if case not in ran_keys]
        links = "<br>".join([_link(result) for result in ran] + absent)
        what = f"<b>{escape(one.title)}</b><br>" if one.title else ""
        how = f"context only: {escape(one.context)}" if one.context else links or "no case"
        rows.append(
            f'<tr><td class="id"><b>{escape(one.id)}</b></td>{_badge(verdict)}<td>{what}{how}</td>'
            f"<td>{_modelled(one)}</td><td>{_qualified(one)}</td></tr>"
        )
    passed = judged.count(Verdict.passed)
    return _page(
        f"Requirement matrix: {title}",
        f'<p><a href="index.html">{escape(title)}</a></p><h1>Requirement matrix</h1>'
        f"<p>{len(judged)} of {len(behaviours)} requirements were judged in these runs, {passed} passed. "
        "A requirement is <i>qualified</i> when breaking it in the virtual rig made a case that claims it "
        "stop passing.</p>"
        "<table><tr><th>Requirement</th><th>Verdict</th><th>Verified by</th><th>Modelled</th>"
        "<th>Qualified</th></tr>" + "".join(rows) + "</table>",
    )


def matrix_csv(behaviours: Sequence[Behaviour], results: Sequence[Result]) -> str:
    """Return the same matrix as comma-separated text, which the case report shows as a table."""
    by_id = _by_requirement(results)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["requirement", "verdict", "cases in these runs", "modelled", "qualified", "context"])
    for one in behaviours:
        ran = by_id.get(one.id, [])
        verdict = worst(result.verdict for result in ran).word if ran else "not checked"
        names = "; ".join(_key(result) for result in ran)
        writer.writerow([one.id, verdict, names, _modelled(one), _qualified(one), one.context])
    return text.getvalue()


def behaviours_of(results: Sequence[Result]) -> list[Behaviour]:
    """Return a matrix of what the runs themselves claim to verify, for when no coverage was handed over."""
    return [Behaviour(id=requirement) for requirement in sorted(_by_requirement(results))]


def _by_requirement(results: Sequence[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        for requirement in result.requirements:
            found.setdefault(requirement, []).append(result)
    return found


def _key(result: Result) -> str:
    """Return the case's key: the end of ``plan:<plan>:<key>``, else the first word of the name."""
    parts = result.full_name.split(":", 2)
    return parts[2] if len(parts) == 3 and parts[0] == "plan" else result.name.split(" ")[0]


def _names(result: Result) -> set[str]:
    """Return what a coverage file may call the case: with or without its plan, with or without its row."""
    key, full = _key(result), result.full_name.removeprefix("plan:")
    return {key, full, key.partition("[")[0], full.partition("[")[0]}


def _badge(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<td class="v none"><span>not checked</span></td>'
    return f'<td class="v {verdict}"><span>{verdict.word}</span></td>'


def _case_rows(results: Sequence[Result], name_bench: bool) -> str:
    """Return a row for each verdict and message: what ended alike for one reason is told once.

    Cases that passed have no message; they are gathered by plan.
    """
    alike: dict[tuple[Verdict, str, str], list[Result]] = {}
    for result in results:
        plan = result.suite if result.verdict is Verdict.passed else ""
        alike.setdefault((result.verdict, result.message, plan), []).append(result)
    rows = []
    for (verdict, message, plan), group in alike.items():
        links = "<br>".join(
            _link(result) + (f" on {escape(result.bench)}" if name_bench else "") for result in group
        )
        said = f"<pre>{escape(_cut(message))}</pre>" if message else ""
        heading = f"<b>{escape(plan)}</b><br>" if plan else ""
        rows.append(f"<tr>{_badge(verdict)}<td>{heading}{links}{said}</td></tr>")
    return "".join(rows)


def _link(result: Result) -> str:
    return f'<a href="{CASES_PAGE}#{result.page}">{escape(result.name)}</a>'


def _modelled(one: Behaviour) -> str:
    return {True: "yes", False: "no", None: ""}[one.modelled]


def _qualified(one: Behaviour) -> str:
    if one.modelled is None:
        return ""  # no coverage was handed over
    return {True: "yes", False: "no", None: "not tried"}[one.qualified]


def _cut(text: str, limit: int = 600) -> str:
    return text if len(text) <= limit else text[:limit] + " ..."


def _page(title: str, body: str) -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
