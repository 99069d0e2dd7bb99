"""How a typed Python function becomes a word of a plan.

A role method (``do: meter.get``) is a method of a Protocol in ``adapters.roles``; a procedure
(``do: check_access``) is a function marked with ``@procedure`` in a module that an entry point of the group
``meterbench.procedures`` names, or in a module of the same package that this one imports. Their signatures
are all there is: parameter names, types, defaults and result fields come from them, so that ``plan check``
knows them without any device.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from adapters import roles as role_module
from adapters.errors import BenchError, NotPermitted
from harness.argument_types import ArgumentType, argument_type
from harness.plan import DeviceRead, Step
from harness.quantities import Duration
from harness.references import NothingSaved, is_open, resolved

__all__ = [
    "ActionSpec",
    "Duration",
    "NothingSaved",
    "ParameterSpec",
    "action_of",
    "call",
    "is_a",
    "procedure",
    "procedures",
    "resolve_arguments",
    "roles",
]

GROUP = "meterbench.procedures"
_NOT_FOR_PLANS = {"close", "make_safe"}  # the bench calls them, however a run ends

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """One argument a plan may give."""

    name: str
    type: ArgumentType
    required: bool
    default: object = None


@dataclass(frozen=True, kw_only=True)
class ActionSpec:
    """One word of a plan: what it takes, what it returns, what it may hurt."""

    name: str
    parameters: Mapping[str, ParameterSpec]
    result: object  # the return annotation
    hurts: frozenset[str] = frozenset()
    harmless_read: bool = False
    takes_within: bool = False  # it wants the step's `within` as its argument within_s
    doc: str = ""
    function: Callable[..., object] | None = field(default=None, repr=False, compare=False)

    @property
    def summary(self) -> str:
        """Return the first sentence of the docstring."""
        return self.doc.split("\n", 1)[0]


def procedure(name: str, *, hurts: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Mark a function as a procedure of this name; its first parameter is the run (``harness.steps``)."""

    def mark(function: F) -> F:
        function.__procedure__ = name  # type: ignore[attr-defined]
        function.__hurts__ = frozenset(hurts)  # type: ignore[attr-defined]
        return function

    return mark


@cache
def roles() -> Mapping[str, type]:
    """Return every role by the name plans use: ``DlmsMeter`` is ``dlms_meter``."""
    return {
        _snake(name): made
        for name, made in vars(role_module).items()
        if inspect.isclass(made) and role_module.Device in made.__mro__ and made is not role_module.Device
    }


def is_a(role: str, wanted: str) -> bool:
    """Return whether a device of one role does for a place that wants another: a dlms_meter is a meter."""
    known = roles()
    return role in known and wanted in known and known[wanted] in known[role].__mro__


@cache
def role_actions(role: str) -> Mapping[str, ActionSpec]:
    """Return the words of a role. Raises KeyError for an unknown role."""
    made = roles()[role]
    found = {}
    for name, function in inspect.getmembers(made, inspect.isfunction):
        if not name.startswith("_") and name not in _NOT_FOR_PLANS:
            found[name] = _spec(name, function, skip=1)
    return found


@dataclass(frozen=True)
class _Procedures:
    known: Mapping[str, ActionSpec]
    broken: tuple[str, ...]  # plug-ins that cannot be loaded, in words


@cache
def _loaded() -> _Procedures:
    known: dict[str, ActionSpec] = {}
    broken = []
    for entry in entry_points(group=GROUP):
        try:
            module = import_module(entry.value)
        except ImportError as error:
            broken.append(f"procedures {entry.name!r} ({entry.value}) cannot be loaded: {error}")
            continue
        for name, function in _marked(module):
            if name in known and known[name].function is not function:
                raise BenchError(f"procedure {name!r} exists twice, once in {entry.value}")
            known[name] = _spec(name, function, skip=1)
    return _Procedures(known=known, broken=tuple(broken))


def _marked(module: ModuleType) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the procedures of a module and of the modules of its own package that it imports."""
    package = module.__name__.rpartition(".")[0] + "."
    beside = [
        value
        for value in vars(module).values()
        if inspect.ismodule(value) and value is not module and value.__name__.startswith(package)
    ]
    for home in (module, *beside):
        for value in vars(home).values():
            name = getattr(value, "__procedure__", None)
            if isinstance(name, str) and inspect.isfunction(value):
                yield name, value


_registered: dict[str, ActionSpec] = {}


def register(function: Callable[..., object]) -> None:
    """Make a marked function known without an entry point, for a test module or a conftest."""
    name = function.__procedure__  # type: ignore[attr-defined]
    _registered[name] = _spec(name, function, skip=1)


def procedures() -> Mapping[str, ActionSpec]:
    """Return every procedure by name."""
    return {**_loaded().known, **_registered}


def broken_procedure_plugins() -> tuple[str, ...]:
    """Return what is wrong with procedure modules that could not be loaded."""
    return _loaded().broken


def action_of(step: Step) -> ActionSpec:
    """Return what the step calls. Raises BenchError where this installation does not have it."""
    try:
        return role_actions(step.role)[step.method] if step.device else procedures()[step.method]
    except KeyError:
        raise BenchError(f"{step.location}: there is no action {step.do!r} in this installation") from None


def resolve_arguments(step: Step, saved: Mapping[str, object]) -> dict[str, object]:
    """Return the step's arguments, typed, with saved values filled in.

    Raises NothingSaved where the saving step never ran and BenchError where a saved value does not fit.
    """
    return _resolve(action_of(step), step.arguments, saved, str(step.location))


def _resolve(
    spec: ActionSpec, arguments: Mapping[str, object], saved: Mapping[str, object], where: str
) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in arguments.items():
        if is_open(value):
            try:
                found[name] = spec.parameters[name].type.convert(resolved(value, saved))
            except ValueError as error:
                raise BenchError(f"{where}: argument `{name}` = {value}: {error}") from error
        else:
            found[name] = value
    return found


def call(
    step: Step, devices: Mapping[str, object], saved: Mapping[str, object], run: object = None
) -> object:
    """Do what the step says and return its result; ``run`` is handed to procedures.

    Raises whatever the action raises; NotPermitted where the device's adapter lacks the method.
    """
    spec = action_of(step)
    arguments = resolve_arguments(step, saved)
    for name, value in arguments.items():
        if spec.parameters[name].type.role:
            arguments[name] = devices[str(value)]
    if spec.takes_within and step.within_s is not None:
        arguments["within_s"] = step.within_s
    if not step.device:
        assert spec.function is not None
        return spec.function(run, **arguments)
    return _method(devices, step.device, step.method)(**arguments)


def read(operand: DeviceRead, devices: Mapping[str, object], saved: Mapping[str, object]) -> object:
    """Make the harmless read an expected value is to come from, and return its result."""
    spec = role_actions(operand.role)[operand.method]
    arguments = _resolve(spec, operand.arguments, saved, operand.text)
    return _method(devices, operand.device, operand.method)(**arguments)


def _method(devices: Mapping[str, object], device: str, method: str) -> Callable[..., object]:
    try:
        found = getattr(devices[device], method)
    except KeyError:
        raise BenchError(f"this bench has no device {device!r}") from None
    except AttributeError:
        raise NotPermitted(f"the adapter of {device} cannot {method.replace('_', ' ')}") from None
    assert callable(found)
    return found  # type: ignore[no-any-return]


def _spec(name: str, function: Callable[..., object], *, skip: int) -> ActionSpec:
    hints = get_type_hints(function, include_extras=True)
    parameters: dict[str, ParameterSpec] = {}
    listed = list(inspect.signature(function).parameters.values())[skip:]
    for parameter in listed:
        if (
            parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            or parameter.name == "within_s"
        ):
            continue
        required = parameter.default is inspect.Parameter.empty
        hint: Any = hints.get(parameter.name, object)
        parameters[parameter.name] = ParameterSpec(
            name=parameter.name,
            type=argument_type(parameter.name, hint, {made: role for role, made in roles().items()}),
            required=required,
            default=None if required else parameter.default,
        )
    return ActionSpec(
        name=name,
        parameters=parameters,
        result=hints.get("return", object),
        hurts=getattr(function, "__hurts__", frozenset()),
        harmless_read=getattr(function, "__harmless_read__", False),
        takes_within=any(parameter.name == "within_s" for parameter in listed),
        doc=inspect.getdoc(function) or "",
        function=function,
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
