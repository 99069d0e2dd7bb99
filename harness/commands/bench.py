"""``meterbench bench``: check a bench file at the desk, before anybody stands at the bench."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.plan import as_record

EXIT_USAGE = 4


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(name="bench", help="Check bench files; no device is touched.", no_args_is_help=True)
    group.callback()(_group)
    group.command("check")(check)
    app.add_typer(group)


def _group() -> None:
    """Check bench files; no device is touched."""


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Bench files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find every mistake in bench files: keys, adapters, profiles, links, secrets, permissions.

    Exit code 0 where there is none (warnings do not count), 4 where there is one.
    """
    from adapters.errors import ConfigError, ConfigErrors
    from harness.config.bench_check import check_bench

    errors: list[ConfigError] = []
    warnings: list[ConfigError] = []
    sound: list[str] = []
    for path in files:
        try:
            found = check_bench(path)
        except ConfigErrors as error:
            errors += error.errors
            continue
        except ConfigError as error:
            errors.append(error)
            continue
        errors += found.errors
        warnings += found.warnings
        if found.bench is not None:
            sound.append(f"{path}: bench {found.bench.bench}, {len(found.bench.devices)} devices, no mistake")
    if as_json:
        value = {
            "errors": [as_record(one) for one in errors],
            "warnings": [as_record(one) for one in warnings],
        }
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    for mistake in errors:
        sys.stderr.write(f"{mistake}\n")
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for line in sound:
        sys.stderr.write(f"{line}\n")
    if errors:
        raise typer.Exit(EXIT_USAGE)
