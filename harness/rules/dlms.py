"""DLMS: a service needs an association that an earlier step has opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.actions import roles
from harness.plan import Step

_SERVICES = {"get", "set", "action", "list_objects", "disconnect_supply", "reconnect_supply"}


@dataclass
class _Associations:
    """The associations one meter has open, as far as the plan tells."""

    open: dict[str, str] = field(default_factory=dict)  # name -> link, empty where the plan does not say
    released: set[str] = field(default_factory=set)
    unsure: bool = False  # a procedure had the meter in its hands, or a name is not known before the run


class AssociationOpen:
    """A service needs an open association; so does a release."""

    def __init__(self) -> None:
        self._meters: dict[str, _Associations] = {}

    def before(self, step: Step) -> tuple[str, str] | None:
        if not _is_dlms(step) or step.method not in _SERVICES | {"release"}:
            return None
        known = self._meters.setdefault(step.device, _Associations())
        name = step.arguments.get("association", "")
        if known.unsure or not isinstance(name, str):
            return None
        listed = ", ".join(f"`{entry}`" for entry in known.open)
        if not name:
            if len(known.open) > 1:
                return (
                    f"{step.do} does not say which association, and {len(known.open)} are open",
                    f"add `association:` with one of {listed}",
                )
            if not known.open:
                return (
                    f"{step.do} comes before any association is open",
                    f"expected `{step.device}.associate` first, or `request_without_association` instead",
                )
            return None
        if name in known.open:
            return None
        if name in known.released:
            return f"{step.do} uses association `{name}` after its release", "open it again first"
        return (
            f"{step.do} uses association `{name}`, which no earlier step opens",
            f"open are {listed}" if listed else f"expected `{step.device}.associate` first",
        )

    def after(self, step: Step, *, outcome: object) -> None:
        done = not isinstance(outcome, BaseException)
        if not step.device:
            for device in step.arguments.values():
                if isinstance(device, str) and device in self._meters:
                    self._meters[device].unsure = True
                elif isinstance(device, str):
                    self._meters[device] = _Associations(unsure=True)
            return
        if not _is_dlms(step):
            return
        known = self._meters.setdefault(step.device, _Associations())
        name, link = step.arguments.get("association", ""), step.arguments.get("link", "")
        if not isinstance(name, str) or not isinstance(link, str):
            known.unsure = known.unsure or step.method in ("associate", "release", "drop_link")
            return
        if step.method == "associate" and done:
            opened = name or f"{link or '<default link>'}/{step.arguments.get('client', '')}"
            known.open[opened] = link
            known.released.discard(opened)
        elif step.method == "release" and done:
            gone = [name] if name else list(known.open)[:1]
            self._close(known, gone)
        elif step.method == "drop_link":
            self._close(
                known, [entry for entry, on in known.open.items() if not link or not on or on == link]
            )

    def at_end(self) -> tuple[str, str] | None:
        return None

    @staticmethod
    def _close(known: _Associations, names: Iterable[str]) -> None:
        for name in names:
            known.open.pop(name, None)
            known.released.add(name)


def _is_dlms(step: Step) -> bool:
    made = roles().get(step.role)
    return made is not None and any(base.__name__ == "DlmsMeter" for base in made.__mro__)
