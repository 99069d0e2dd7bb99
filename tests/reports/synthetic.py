"""Builds run folders as the Allure sink leaves them behind."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

MARKUP = """<img src=x onerror="document.title='owned';alert('owned')"><script>alert('owned')</script>"""
OUTSIDE = "https://outside.example/"

Row = dict[str, Any]


def case(
    key: str,
    title: str,
    status: str,
    *,
    message: str = "",
    requirements: Sequence[str] = (),
    steps: Sequence[Row] = (),
    attachments: Sequence[Row] = (),
    bench: str = "virtual:mcs301",
    start_ms: int = 1_790_000_000_000,
    attempt: int = 1,
) -> Row:
    """Return the content of a result file."""
    history = hashlib.md5(key.encode()).hexdigest()
    labels = [("parentSuite", "dlms"), ("suite", "Clients of the meter"), ("bench", bench)]
    labels += [("requirement", requirement) for requirement in requirements]
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"{key}/{bench}/{attempt}")),
        "historyId": history,
        "testCaseId": history,
        "fullName": f"plan:clients:{key}",
        "titlePath": ["dlms", "Clients of the meter"],
        "name": f"{key} {title}",
        "status": status,
        "statusDetails": {"message": message} if message else {},
        "start": start_ms,
        "stop": start_ms + 1234,
        "parameters": [{"name": "channel", "value": "optical"}],
        "labels": [{"name": name, "value": value} for name, value in labels],
        "steps": list(steps),
        "attachments": list(attachments),
    }


def step(name: str, status: str = "passed", *, parameters: Row | None = None, **more: Any) -> Row:
    """Return a step of a result."""
    pairs = [{"name": key, "value": value} for key, value in (parameters or {}).items()]
    return {"name": name, "status": status, "start": 1_790_000_000_000, "stop": 1_790_000_000_400} | {
        "parameters": pairs,
        **more,
    }


def tiny_png() -> bytes:
    """Return a picture of 2 x 2 red points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * 2 for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class ResultsFolder:
    """A run folder to be filled with results."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.folder = run / "allure-results"
        self.folder.mkdir(parents=True)

    def attach(self, name: str, data: bytes, mime: str) -> Row:
        """Store an attachment and return how a result refers to it."""
        source = f"{uuid5(NAMESPACE_URL, name)}-attachment.{mime.rpartition('/')[2][:4]}"
        (self.folder / source).write_bytes(data)
        return {"name": name, "source": source, "type": mime}

    def add(self, row: Row) -> None:
        """Store a result."""
        (self.folder / f"{row['uuid']}-result.json").write_text(json.dumps(row), "utf-8")
