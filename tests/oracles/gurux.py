"""Runs ``gurux_client.py`` as a separate process and asks it to read a meter. Knows JSON, not gurux."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SCRIPT = Path(__file__).with_name("gurux_client.py")


class GuruxError(Exception):
    """The gurux client reported a failure; ``kind`` is the type of its exception."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Gurux:
    """The other process. Use it as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """Return the answer to one request. Raises GuruxError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise GuruxError("Died", f"exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise GuruxError(answer["error"], answer["message"])
        return answer


def wire(endpoint: Mapping[str, Any]) -> dict[str, object]:
    """Return how to reach a served endpoint (an entry of ``meterbench rig serve --json``)."""
    if endpoint["kind"] == "tcp":
        return {"transport": "tcp", "host": endpoint["host"], "port": int(endpoint["port"])}
    return {"transport": "serial", "port": endpoint["port"], "baud": int(endpoint["baud"])}


def identity(endpoint: Mapping[str, Any], client: str, authentication: str) -> dict[str, object]:
    """Return who asks: address and what ``authentication`` (NONE, LOW, HIGH_GMAC) needs."""
    who = next(each for each in endpoint["clients"] if each["client"] == client)
    request: dict[str, object] = {
        "client": who["sap"],
        "server": endpoint["server_sap"],
        "authentication": authentication,
    }
    if authentication == "LOW":
        request["password"] = who["password"]
    elif authentication == "HIGH_GMAC":
        request |= {
            "system_title": endpoint["client_system_title"],
            "encryption_key": who["encryption_key"],
            "authentication_key": who["authentication_key"],
        }
    return request
