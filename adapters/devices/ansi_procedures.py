"""Procedures of an ANSI meter: what is asked goes into ST7, what came of it is read from ST8.

ST8 may still hold the answer to another procedure, of ours or of somebody else: only one with our sequence
number and procedure is ours. A meter that is not ready yet, or has accepted without having finished, is
asked again until its time is up.
"""

from __future__ import annotations

from adapters.base import Clock
from adapters.devices.ansi_tables import Tables
from adapters.errors import Refused, RemoteProtocolError
from adapters.protocols.c1219 import ProcedureRequest, ProcedureResponse, Result

TIMEOUT_S, POLL_S = 10.0, 0.2
_INITIATE, _RESPONSE, _CONFIGURATION = 7, 8, 0
_NOT_READY = ("data-not-ready", "busy")


class ProcedureRun:
    """Runs procedures in one session; ``name`` is the device's, for messages."""

    def __init__(self, tables: Tables, clock: Clock, name: str) -> None:
        self._tables, self._clock, self._name = tables, clock, name

    def result_of(self, number: int, sequence: int, arguments: bytes) -> ProcedureResponse:
        """Run a procedure once and return what ST8 says of it; ``accepted``: not finished in time.

        Raises Refused where the meter declines, RemoteProtocolError where ST8 never becomes ours.
        """
        self._tables.learn(_CONFIGURATION)
        order = self._tables.known.formats.order
        request = ProcedureRequest(number=number, sequence=sequence, arguments=arguments)
        self._tables.write_whole(_INITIATE, request.octets(order))
        deadline_s = self._clock.monotonic_s() + TIMEOUT_S
        while True:
            octets = self._response()
            late = self._clock.monotonic_s() >= deadline_s
            if octets is not None:
                answer = ProcedureResponse.of(octets, order)
                ours = (answer.number, answer.sequence) == (number, sequence)
                if ours and (answer.result is not Result.ACCEPTED or late):
                    return answer
                if late:
                    raise RemoteProtocolError(
                        f"{self._name}: ST8 answers procedure {answer.number} number {answer.sequence},"
                        f" asked was {number} number {sequence}",
                        data=octets,
                        frame_intact=True,
                    )
            elif late:
                raise Refused("data-not-ready", f"ST8 within {TIMEOUT_S:g} s")
            self._clock.sleep_s(POLL_S)

    def _response(self) -> bytes | None:
        try:
            return self._tables.read(self._tables.names.at(_RESPONSE))
        except Refused as refusal:
            if refusal.reason not in _NOT_READY:
                raise
            return None
