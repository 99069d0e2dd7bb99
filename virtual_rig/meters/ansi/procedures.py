"""The procedures of a virtual ANSI meter: written to ST7, answered in ST8.

Which procedures there are, and under which numbers, is the profile's; what the rig does for one it knows by
its name. A name the rig does not know is refused when the meter is built, not when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from adapters.errors import BenchError, LocalProtocolError, RemoteProtocolError
from adapters.profiles.ansi import AnsiProcedure, AnsiProfile
from adapters.profiles.layout import FieldEntry, TableLayout
from adapters.protocols.c1218.codes import ResponseCode
from adapters.protocols.c1219 import Known, ProcedureRequest, ProcedureResponse, Result, decode, encode
from virtual_rig.meters.ansi.access import Access

Outcome = tuple[Result, dict[str, object]]
Answer = Outcome | Callable[[], Outcome]
"""A result with the fields of its response, or what gives that each time ST8 is read."""
Handler = Callable[[dict[str, object]], Answer]
"""Carries a procedure out with its decoded arguments."""


class Procedures:
    """``handlers`` are by the profile's names; ``invoked`` hears of every procedure that was carried out."""

    def __init__(
        self,
        profile: AnsiProfile,
        known: Known,
        access: Access,
        handlers: dict[str, Handler],
        invoked: Callable[[int, int], None],
    ) -> None:
        if missing := set(profile.procedures) - set(handlers):
            raise BenchError(f"virtual meter {profile.profile}: nothing carries out procedure {min(missing)}")
        self._profile, self._known, self._access = profile, known, access
        self._handlers, self._invoked = handlers, invoked
        self._answer: Callable[[], ProcedureResponse] | None = None

    def initiate(self, octets: bytes, level: str, user: int) -> ResponseCode:
        """Take what was written to ST7. The result is for ST8 to tell, whatever it is."""
        try:
            request = ProcedureRequest.of(octets, self._known.formats.order)
        except RemoteProtocolError:
            return ResponseCode.IAR
        refusal = ProcedureResponse(
            number=request.number, sequence=request.sequence, result=Result.UNRECOGNIZED
        )
        result, name, arguments = self._judged(request, level)
        if result is not Result.COMPLETED:
            self._answer = lambda: replace(refusal, result=result)
            return ResponseCode.OK
        answer = self._handlers[name](arguments)
        procedure = self._profile.procedures[name]
        self._answer = lambda: self._told(request, procedure, _outcome(answer))
        if _outcome(answer)[0] in (Result.COMPLETED, Result.ACCEPTED):
            self._invoked(request.number, user)
        return ResponseCode.OK

    def response(self) -> bytes | ResponseCode:
        """Return the octets of ST8; nothing is there before the first procedure."""
        if self._answer is None:
            return ResponseCode.DNR
        return self._answer().octets(self._known.formats.order)

    def forget(self) -> None:
        """Lose the last answer, as in a power cut."""
        self._answer = None

    def _judged(self, request: ProcedureRequest, level: str) -> tuple[Result, str, dict[str, object]]:
        same = [name for name, each in self._profile.procedures.items() if each.number == request.number]
        if not same:
            return Result.UNRECOGNIZED, "", {}
        for name in same:
            procedure = self._profile.procedures[name]
            fixed = bytes.fromhex(procedure.octets)
            if not request.arguments.startswith(fixed):
                continue
            if not self._access.may_run(level, name):
                return Result.NOT_AUTHORIZED, name, {}
            try:
                rest = request.arguments[len(fixed) :]
                return Result.COMPLETED, name, decode(_layout(name, procedure.arguments), rest, self._known)
            except RemoteProtocolError:
                break
        return Result.INVALID_PARAMETER, "", {}

    def _told(
        self, request: ProcedureRequest, procedure: AnsiProcedure, answer: Outcome
    ) -> ProcedureResponse:
        result, fields = answer
        data = b""
        if procedure.response and result is Result.COMPLETED:
            try:
                data = encode(_layout("response", procedure.response), fields, self._known)
            except LocalProtocolError as error:
                raise BenchError(f"virtual meter {self._profile.profile}: {error}") from error
        return ProcedureResponse(number=request.number, sequence=request.sequence, result=result, data=data)


def _outcome(answer: Answer) -> Outcome:
    return answer() if callable(answer) else answer


def _layout(name: str, fields: tuple[FieldEntry, ...]) -> TableLayout:
    return TableLayout(title=name, fields=fields, assumed=True)
