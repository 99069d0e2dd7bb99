"""JSON Schema of plan and bench files, for editors; generated from the models, a test keeps them current.

    # yaml-language-server: $schema=.../plan.schema.json

Write them anew with ``python -m harness.config.json_schema``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.actions import roles
from harness.config.bench_file import BenchFile
from harness.config.plan_file import PlanFile

_FOLDER = Path(__file__).parent / "schemas"
_MODELS: dict[str, type[BaseModel]] = {"plan": PlanFile, "bench": BenchFile}
_TITLES = {"plan": "MeterBench plan", "bench": "MeterBench bench"}


def schema_path(which: str) -> Path:
    """Return the file that holds the schema of ``plan`` or ``bench`` files."""
    return _FOLDER / f"{which}.schema.json"


def schema_text(which: str) -> str:
    """Return the JSON Schema as text. YAML numbers and words are accepted where a text is meant."""
    schema: dict[str, Any] = _MODELS[which].model_json_schema(by_alias=True, mode="validation")
    _accept_unquoted(schema)
    if which == "plan":
        schema["properties"]["needs"]["additionalProperties"] = {"type": "string", "enum": sorted(roles())}
    ordered = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": _TITLES[which],
    }
    return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"


def _accept_unquoted(node: Any) -> None:
    """Let editors accept what our reader takes: an unquoted 0123 or `no` where a text is meant."""
    if isinstance(node, dict):
        kind = node.get("type")
        if kind == "string" and not {"enum", "const", "pattern"} & node.keys():
            node["type"] = ["string", "number", "boolean"]
        elif kind in ("integer", "number"):
            node["type"] = [kind, "string"]
        elif kind == "boolean":
            node["type"] = ["boolean", "string"]
        for key in ("title",):
            if isinstance(node.get(key), str) and "properties" not in node:
                del node[key]
        for value in list(node.values()):
            _accept_unquoted(value)
    elif isinstance(node, list):
        for entry in node:
            _accept_unquoted(entry)


def main() -> None:
    """Write the schema files."""
    for which in _MODELS:
        schema_path(which).write_text(schema_text(which), encoding="utf-8")


if __name__ == "__main__":
    main()
