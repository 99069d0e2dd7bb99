"""A time line for people: what happened when, how long after the request, and who said so."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.roles import TmsEvent
from harness.steps import Steps

_HEAD = ("since request", "time (UTC)", "who", "what")
_STYLE = (
    "body{font:14px sans-serif}table{border-collapse:collapse}td,th{padding:3px 10px;text-align:left;"
    "border-bottom:1px solid #ddd;vertical-align:top}td:first-child,td:nth-child(2){font-family:monospace;"
    "white-space:nowrap;text-align:right}.check{background:#eef4fb}.meter{background:#f2f7ee}"
)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happened, by the clock of whoever noted it."""

    at: datetime
    who: str  # TMS, configuration, meter, check
    what: str


def events_of(events: Iterable[TmsEvent]) -> list[Happening]:
    """Return TMS's events as happenings."""
    return [Happening(at=each.at, who="TMS", what=f"{each.kind}: {each.text}") for each in events]


def attach_time_line(run: Steps, happenings: Iterable[Happening], since: datetime) -> None:
    """Attach the happenings in their order as a table to read, a page to look at and a file to work with."""
    ordered = sorted(happenings, key=lambda each: each.at)
    rows = [(_span(since, each.at), _clock(each.at), each.who, each.what) for each in ordered]
    run.attach("time line", "text/plain", data=_text(rows))
    run.attach("time line as a page", "text/html", data=_page(rows))
    run.attach("time line as a table", "text/csv", data=_csv(since, ordered))


def seconds_between(begin: datetime, end: datetime | None) -> float:
    """Return the seconds from one moment to the other, 0 where the other has not come."""
    return round((end - begin).total_seconds(), 3) if end is not None else 0.0


def _text(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(3)]
    lines = [
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip()
        for row in (_HEAD, *rows)
    ]
    return "\n".join(lines) + "\n"


def _page(rows: Sequence[tuple[str, ...]]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}>{html.escape(each)}</{tag}>" for each in row)

    body = "\n".join(f'<tr class="{html.escape(row[2])}">{cells("td", row)}</tr>' for row in rows)
    head = f"<tr>{cells('th', _HEAD)}</tr>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Time line</title>'
        f"<style>{_STYLE}</style><table>\n{head}\n{body}\n</table></html>\n"
    )


def _csv(since: datetime, happenings: Iterable[Happening]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("since request s", "time", "who", "what"))
    for each in happenings:
        writer.writerow(
            (f"{(each.at - since).total_seconds():.3f}", each.at.isoformat(), each.who, each.what)
        )
    return out.getvalue()


def _span(begin: datetime, at: datetime) -> str:
    milliseconds = round((at - begin).total_seconds() * 1000)
    minutes, rest = divmod(abs(milliseconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if milliseconds < 0 else '+'}{hours}:{minutes:02d}:{rest / 1000:06.3f}"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
