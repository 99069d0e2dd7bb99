"""Runs ``gurux_client.py`` as a separate process and asks it to read a meter. Knows JSON, not gurux."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.oracles.program import ForeignError, ForeignProgram

SCRIPT = Path(__file__).with_name("gurux_client.py")


class GuruxError(ForeignError):
    """The gurux client reported a failure."""


class Gurux(ForeignProgram):
    """The other process."""

    script: ClassVar[Path] = SCRIPT
    error: ClassVar[type[ForeignError]] = GuruxError


def wire(endpoint: Mapping[str, Any]) -> dict[str, object]:
    """Return how to reach a served endpoint (an entry of ``meterbench rig serve --json``)."""
    if endpoint["kind"] == "tcp":
        return {"transport": "tcp", "host": endpoint["host"], "port": int(endpoint["port"])}
    return {"transport": "serial", "port": endpoint["port"], "baud": int(endpoint["baud"])}


def identity(endpoint: Mapping[str, Any], client: str, authentication: str) -> dict[str, object]:
    """Return who asks: address and what ``authentication`` (NONE, LOW, HIGH, HIGH_GMAC ...) needs."""
    who = next(each for each in endpoint["clients"] if each["client"] == client)
    request: dict[str, object] = {
        "client": who["sap"],
        "server": endpoint["server_sap"],
        "authentication": authentication,
    }
    if authentication == "LOW":
        request["password"] = who["password"]
    elif authentication.startswith("HIGH"):
        if authentication == "HIGH_ECDSA":
            request |= {key: who[key] for key in ("signing_key", "meter_public_key")}
        elif authentication != "HIGH_GMAC":
            request["password"] = who["hls_secret"]
        request |= {
            "system_title": endpoint["client_system_title"],
            "suite": endpoint["security_suite"],
            "encryption_key": who["encryption_key"],
            "authentication_key": who["authentication_key"],
        }
    return request
