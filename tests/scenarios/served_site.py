"""A virtual site served by ``meterbench rig serve`` in a process of its own, described as a lab would."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.scenarios.plan_runs import COMMAND, ROOT

STARTS_WITHIN_S = 30.0
OPTIONS = ("host", "port", "baud", "framing", "channel", "mode_e")


@dataclass
class Served:
    """A served site as a lab would write it down: a bench, and the secrets kept out of it."""

    bench: dict[str, Any]
    endpoints: list[dict[str, Any]]
    pid: int
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving(seed: int = 5) -> Iterator[Served]:
    """Serve the MCS301 until the block ends; a rig that did not end cleanly is an error."""
    process = subprocess.Popen(
        [*COMMAND, "rig", "serve", "mcs301", "--json", "--seed", str(seed)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield described(endpoints_of(process), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def endpoints_of(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return the endpoints a serving process prints as one JSON document, and then goes on serving."""
    assert process.stdout is not None
    text = ""
    while select.select([process.stdout], [], [], STARTS_WITHIN_S)[0]:
        piece = os.read(process.stdout.fileno(), 65536).decode()
        text += piece
        try:
            endpoints: list[dict[str, Any]] = json.loads(text)["endpoints"]
        except ValueError:
            if piece:
                continue
            break
        return endpoints
    raise AssertionError(f"rig serve did not print its endpoints: {text!r}")


def described(endpoints: list[dict[str, Any]], pid: int) -> Served:
    """Return the bench file of a served site, with one environment variable a secret."""
    meter: dict[str, Any] = {
        "role": "dlms_meter",
        "adapter": "dlms",
        "profile": "mcs301",
        "links": {},
        "secrets": {},
        "identity": {"serial": "30112345"},
    }
    devices: dict[str, Any] = {"meter": meter}
    site = Served(
        endpoints=endpoints,
        pid=pid,
        bench={
            "bench": f"mcs301-on-a-desk-{os.getpid()}",
            "provider": "local",
            "devices": devices,
            "allow": ["energise", "disconnect", "configure"],
        },
    )
    for endpoint in endpoints:
        transport = "tcp" if endpoint["kind"] == "tcp" else "serial"
        link = {"transport": transport} | {key: endpoint[key] for key in OPTIONS if key in endpoint}
        if endpoint["device"] != "meter":
            devices[endpoint["device"]] = {"role": "power_source", "adapter": "scpi_source", "link": link}
            continue
        meter["links"][endpoint["link"]] = link
        for client in endpoint["clients"]:
            for kind in ("password", "encryption_key", "authentication_key"):
                if kind in client:
                    variable = f"DESK_{client['client']}_{kind}".upper()
                    site.environment[variable] = client[kind]
                    meter["secrets"][f"{client['client']}.{kind}"] = f"env:{variable}"
    return site
