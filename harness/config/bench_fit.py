"""Whether a plan fits a bench: every device it needs, with its role, its links and the permissions."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.errors import ConfigError
from adapters.registry import adapters
from adapters.yaml_messages import shown, suggest
from harness.actions import is_a
from harness.config.bench_file import BenchFile, DeviceEntry
from harness.plan import Plan, Step


def misfits(plan: Plan, bench: BenchFile) -> list[ConfigError]:
    """Return what the plan asks for and the bench has not: devices, roles and links, each once."""
    found: dict[str, ConfigError] = {}
    for name, role in plan.needs.items():
        if name not in bench.devices:
            hint = suggest(name, bench.devices, "one of")
            found[name] = _error(
                plan, f"the plan needs `{name}` ({role}), bench {bench.bench} has none", hint
            )
        elif (has := _role_of(bench.devices[name])) and not is_a(has, role):
            found[name] = _error(
                plan, f"the plan needs `{name}` to be a {role}, bench {bench.bench} has a {has}"
            )
    for step in _steps(plan):
        for device, link in _links(step, bench):
            known = bench.devices[device].all_links
            if link not in known:
                at = step.location
                found[f"{device}.{link}"] = ConfigError(
                    f"bench {bench.bench} has no link `{shown(link)}` to `{device}`",
                    file=at.file,
                    line=at.line,
                    column=at.column,
                    hint=suggest(link, known, "one of"),
                )
    return list(found.values())


def _role_of(entry: DeviceEntry) -> str:
    """Return what a device can do: its adapter's role, which may be more than the bench file asks for."""
    made = adapters().get(entry.adapter)
    return made.role if made is not None and is_a(made.role, entry.role) else entry.role


def missing_permissions(plan: Plan, bench: BenchFile) -> dict[str, tuple[str, ...]]:
    """Return the permissions that cases need and the bench does not give: those cases will be skipped."""
    return {
        case.key: tuple(sorted(case.hurts - set(bench.allow)))
        for case in plan.cases
        if case.hurts - set(bench.allow)
    }


def _error(plan: Plan, message: str, hint: str = "") -> ConfigError:
    return ConfigError(message, file=str(plan.path), line=1, column=1, hint=hint)


def _steps(plan: Plan) -> Iterator[Step]:
    for case in plan.cases:
        yield from (*case.steps, *case.always)


def _links(step: Step, bench: BenchFile) -> Iterator[tuple[str, str]]:
    """Yield the links a step names: an argument called ``link`` beside the device it belongs to."""
    link = step.arguments.get("link")
    device = step.device or step.arguments.get("meter")
    if isinstance(link, str) and link and isinstance(device, str) and device in bench.devices:
        yield device, link
