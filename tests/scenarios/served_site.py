"""A virtual site served by ``meterbench rig serve`` in a process of its own, described as a lab would."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenarios.plan_runs import COMMAND, ROOT

STARTS_WITHIN_S = 30.0


@dataclass
class Served:
    """A served site as a lab would write it down: a bench, and the secrets kept out of it."""

    bench: dict[str, Any]
    endpoints: list[dict[str, Any]]
    pid: int
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving(site: str = "mcs301", seed: int = 5) -> Iterator[Served]:
    """Serve a site until the block ends; a rig that did not end cleanly is an error."""
    process = subprocess.Popen(
        [*COMMAND, "rig", "serve", site, "--json", "--seed", str(seed)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield described(printed_by(process), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def printed_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the JSON document a serving process prints before it goes on serving."""
    assert process.stdout is not None
    text = ""
    while select.select([process.stdout], [], [], STARTS_WITHIN_S)[0]:
        piece = os.read(process.stdout.fileno(), 65536).decode()
        text += piece
        try:
            document: dict[str, Any] = json.loads(text)
        except ValueError:
            if piece:
                continue
            break
        return document
    raise AssertionError(f"rig serve did not print its endpoints: {text!r}")


def described(document: dict[str, Any], pid: int) -> Served:
    """Return the bench file of a served site, with one environment variable a secret."""
    bench = document["bench"] | {"bench": f"{Path(document['site']).stem}-on-a-desk-{os.getpid()}"}
    site = Served(bench=bench, endpoints=document["endpoints"], pid=pid)
    for name, value in document["secrets"].items():
        device, _, label = name.partition(".")
        variable = "DESK_" + re.sub(r"\W", "_", name).upper()
        site.environment[variable] = value
        bench["devices"][device].setdefault("secrets", {})[label] = f"env:{variable}"
    return site
