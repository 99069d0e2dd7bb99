"""Secured endpoints: commands are requested before leaving for the field, and a replay proves nothing.

The sources are the Request Commands page (fetch what may not be had outside) and the lab's own rule that
comes of it: an answer marked as a replay repeats what was said the first time, so only the endpoint's state
can tell whether anything happened.
"""

from __future__ import annotations

from adapters.errors import Refused
from harness.plan import Step
from harness.rules.base import UNKNOWN

_PERFORM = {"perform", "connect_service", "disconnect_service"}
_SEND = {"send", "send_switch", "send_again"}
_STATE_READS = {"status"}


class RequestBeforeFieldWork:
    """A field tool that has left its network works with what it requested before."""

    def __init__(self) -> None:
        self._requested: set[str] = set()
        self._away: set[str] = set()

    def before(self, step: Step) -> tuple[str, str] | None:
        if step.role != "field_tool" or step.device not in self._away or _refusal_expected(step):
            return None
        if step.method == "request_commands":
            return (
                f"{step.do} comes after {step.device} has left its network",
                f"put it before `{step.device}.go_offline`",
            )
        if step.method in _PERFORM and step.device not in self._requested:
            return (
                f"{step.do} in the field, and {step.device} has requested no commands before leaving",
                f"expected `{step.device}.request_commands` before `{step.device}.go_offline`",
            )
        return None

    def after(self, step: Step, *, outcome: object) -> None:
        if not step.device:
            # A procedure may have requested for the tools it was given: nothing is held against them.
            self._requested |= {str(value) for value in step.arguments.values()}
        elif step.role == "field_tool":
            if step.method == "go_offline":
                self._away.add(step.device)
            elif step.method == "go_online":
                self._away.discard(step.device)
            elif step.method == "request_commands" and not isinstance(outcome, Refused):
                self._requested.add(step.device)

    def at_end(self) -> tuple[str, str] | None:
        return None


class ReplayIsNoEvidence:
    """After a replay at which the plan did not look, the state is read before anything else."""

    def __init__(self) -> None:
        self._open: tuple[str, str] | None = None  # the endpoint in doubt, and the step that left it so

    def before(self, step: Step) -> tuple[str, str] | None:
        if self._open is None or self._reads_state(step):
            return None
        return self._wrong()

    def after(self, step: Step, *, outcome: object) -> None:
        if self._open is not None and self._reads_state(step):
            self._open = None
        if outcome is UNKNOWN or step.method not in _PERFORM | _SEND:
            return
        looked = any(matcher.field == "replay" for matcher in step.expect)
        if getattr(outcome, "replay", False) and not looked:
            self._open = (str(getattr(outcome, "endpoint", "")), step.title)

    def at_end(self) -> tuple[str, str] | None:
        return None if self._open is None else self._wrong()

    def _reads_state(self, step: Step) -> bool:
        if not step.device:  # a procedure that is given the endpoint is there to decide by its state
            return self._open is not None and self._open[0] in map(str, step.arguments.values())
        return step.method in _STATE_READS

    def _wrong(self) -> tuple[str, str]:
        assert self._open is not None
        endpoint, title = self._open
        return (
            f"the answer of {endpoint} to `{title}` was a replay, and its state has not been read since",
            "read the endpoint's status, or decide by its state, before going on",
        )


def _refusal_expected(step: Step) -> bool:
    return any(matcher.kind == "refused" for matcher in step.expect)
