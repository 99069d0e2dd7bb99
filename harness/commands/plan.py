"""``meterbench plan``: check plans and print them, without any device."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adapters.errors import ConfigError
    from harness.checklist import Checklist
    from harness.plan import Plan

EXIT_USAGE = 4

Parameters = Annotated[
    list[str] | None, typer.Option("-P", metavar="NAME=VALUE", help="Override a parameter of the plan.")
]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        name="plan", help="Check plans and print them; no device is needed.", no_args_is_help=True
    )
    group.command("check")(check)
    group.command("show")(show)
    group.command("actions")(actions)
    group.command("schema", hidden=True)(schema)
    app.add_typer(group)


def check(
    plans: Annotated[list[Path], typer.Argument(metavar="PLAN...", help="Plan files, or folders of them.")],
    parameters: Parameters = None,
    bench: Annotated[
        Path | None, typer.Option("--bench", metavar="FILE", help="Check that they fit this bench file, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find every mistake in plans: names, arguments, types, units, limits, behaviours, order of steps.

    Exit code 0 where there is none, 4 where there is one.
    """
    from adapters.errors import ConfigError, ConfigErrors
    from harness.plan_compiler import compile_plan

    overrides = parsed_parameters(parameters)
    errors: list[ConfigError] = []
    found: list[Plan] = []
    for path in _files(plans):
        try:
            found.append(compile_plan(path, overrides=overrides))
        except ConfigErrors as error:
            errors += error.errors
        except ConfigError as error:
            errors.append(error)
    if bench is not None:
        errors += _misfits(found, bench)
    if as_json:
        _print_json(
            {"plans": [_summary(plan) for plan in found], "errors": [as_record(one) for one in errors]}
        )
    for mistake in errors:
        _say(str(mistake))
    for plan in found:
        _say(f"{plan.path}: {len(plan.cases)} cases, no mistake")
    if errors:
        raise typer.Exit(EXIT_USAGE)


def _misfits(plans: list[Plan], bench: Path) -> list[ConfigError]:
    from harness.config.bench_file import load_bench
    from harness.config.bench_fit import misfits, missing_permissions

    described = load_bench(bench)
    for plan in plans:
        for key, lacking in missing_permissions(plan, described).items():
            _say(f"warning: {plan.path}: {key} will be skipped: {bench} does not allow {', '.join(lacking)}")
    return [error for plan in plans for error in misfits(plan, described)]


def show(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan file.")],
    parameters: Parameters = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    width: Annotated[int, typer.Option(min=40, max=400, help="Columns, when it is not a terminal.")] = 100,
) -> None:
    """Print a plan as a checklist: cases, steps, arguments, limits, behaviours, sources, permissions."""
    from adapters import yaml_file
    from harness.checklist import checklist, plain_lines
    from harness.config.plan_file import PlanFile
    from harness.plan_compiler import compile_plan
    from harness.traceability import catalogue_for

    catalogue = catalogue_for(plan)
    compiled = compile_plan(plan, overrides=parsed_parameters(parameters), catalogue=catalogue)
    found = checklist(yaml_file.load_model(plan, PlanFile), compiled, catalogue)
    if as_json:
        _print_json(asdict(found))
    elif sys.stdout.isatty():
        _print_table(found)
    else:
        for line in plain_lines(found, width):
            sys.stdout.write(line + "\n")


def actions(
    name: Annotated[str, typer.Argument(metavar="[ROLE|PROCEDURE]", help="Only this one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the words a plan can use: the methods of each role, and the procedures."""
    from harness.actions import procedures, role_actions, roles

    groups = {role: dict(role_actions(role)) for role in roles()} | {"procedures": dict(procedures())}
    if name:
        chosen = {group: words for group, words in groups.items() if group == name}
        groups = chosen or {"procedures": {key: spec for key, spec in procedures().items() if key == name}}
        if not any(groups.values()):
            raise typer.BadParameter(f"there is no role or procedure {name}", param_hint="ROLE")
    described = {group: [_action(spec) for spec in words.values()] for group, words in groups.items()}
    if as_json:
        _print_json(described)
        return
    for group, words in described.items():
        sys.stdout.write(f"{group}\n")
        for word in words:
            hurts = f"  [needs {', '.join(word['hurts'])}]" if word["hurts"] else ""
            sys.stdout.write(f"  {word['name']}{hurts}\n      {word['summary']}\n")
            for parameter in word["parameters"]:
                usual = "" if parameter["required"] else f", default {parameter['default'] or 'none'}"
                sys.stdout.write(f"      {parameter['name']}: {parameter['takes']}{usual}\n")
            if word["fields"]:
                sys.stdout.write(f"      returns {', '.join(word['fields'])}\n")


def schema(
    which: Annotated[str, typer.Argument(metavar="plan|bench")] = "plan",
) -> None:
    """Print the JSON Schema of plan or bench files, for editors."""
    from harness.config.json_schema import schema_text

    if which not in ("plan", "bench"):
        raise typer.BadParameter("expected plan or bench", param_hint="plan|bench")
    sys.stdout.write(schema_text(which))


def parsed_parameters(given: list[str] | None) -> dict[str, str]:
    """Return ``-P name=value`` options as a mapping. Raises typer.BadParameter."""
    found: dict[str, str] = {}
    for entry in given or []:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected NAME=VALUE, found {entry!r}", param_hint="-P")
        found[name.strip()] = value
    return found


def as_record(error: ConfigError) -> dict[str, Any]:
    """Return a mistake as plain values, for JSON."""
    return {
        "file": error.file,
        "line": error.line,
        "column": error.column,
        "message": error.message,
        "hint": error.hint,
    }


def _files(paths: list[Path]) -> list[Path]:
    """Return the plan files; in a folder, every YAML file but the catalogue's."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*.yaml")) if "behaviours" not in file.parts]
            if not inside:
                raise typer.BadParameter(f"there is no plan in {path}", param_hint="PLAN")
            found += inside
        else:
            found.append(path)
    return found


def _summary(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan.name,
        "file": str(plan.path),
        "title": plan.title,
        "cases": [case.key for case in plan.cases],
        "verifies": sorted({behaviour for case in plan.cases for behaviour in case.verifies}),
        "permissions": sorted(frozenset().union(*(case.hurts for case in plan.cases))),
    }


def _action(spec: Any) -> dict[str, Any]:
    from harness.results import known_fields, text_of

    return {
        "name": spec.name,
        "summary": spec.summary,
        "hurts": sorted(spec.hurts),
        "parameters": [
            {
                "name": parameter.name,
                "takes": parameter.type.words,
                "required": parameter.required,
                "default": "" if parameter.required else text_of(parameter.default),
            }
            for parameter in spec.parameters.values()
        ],
        "fields": list(known_fields(spec.result)),
    }


def _print_table(found: Checklist) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, highlight=False)
    console.print(Text(found.title, style="bold"))
    for name, text in found.heads:
        console.print(Text.assemble((f"{name}: ", "dim"), text))
    for case in found.cases:
        table = Table(
            title=Text(f"☐ {case.id}  {case.title}", style="bold"), title_justify="left", expand=True
        )
        table.add_column("☐", width=1)
        table.add_column("#", width=3)
        table.add_column("step", ratio=3)
        table.add_column("with", ratio=3)
        table.add_column("expected", ratio=3)
        for step in (*case.steps, *case.always):
            limits = [*step.limits, *([f"within {step.within}"] if step.within else [])]
            name = f"{step.title}\n{step.action}" if step.title else step.action
            table.add_row("☐", step.number, Text(name), Text(step.arguments), Text("\n".join(limits)))
        console.print()
        for line in (*case.behaviours, *(f"☐ row {row}" for row in case.rows)):
            console.print(Text(line, style="dim"))
        if case.permissions:
            console.print(Text(f"needs permission: {', '.join(case.permissions)}", style="yellow"))
        console.print(table)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
