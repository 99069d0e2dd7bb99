"""Procedures: asked for by writing ST7, answered in ST8. The bit field follows DATA_ORDER like any other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from adapters.errors import RemoteProtocolError
from adapters.protocols.c1219.formats import Order
from adapters.protocols.c1219.numbers import HIGHEST, procedure_text

INITIATE_TABLE, RESPONSE_TABLE = 7, 8
_NUMBER_MASK = HIGHEST  # bits 0-10 the number, bit 11 whose it is: together our way of counting
_HEAD = 3


class Result(IntEnum):
    """RESULT_CODE of ST8; ``label`` is the word plans use."""

    COMPLETED = 0
    ACCEPTED = 1  # not fully completed yet: read ST8 again
    INVALID_PARAMETER = 2
    CONFLICT = 3
    TIMING_CONSTRAINT = 4
    NOT_AUTHORIZED = 5
    UNRECOGNIZED = 6

    @property
    def label(self) -> str:
        """The name in words, e.g. ``not-authorized``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class ProcedureRequest:
    """What is written to ST7. ``selector`` asks where to put the answer; 0 means ST8."""

    number: int  # 2048 + n for manufacturer procedure n
    sequence: int
    arguments: bytes = b""
    selector: int = 0

    def octets(self, order: Order) -> bytes:
        """Return the table's octets."""
        return _head(self.number, self.selector, self.sequence, order) + self.arguments

    @classmethod
    def of(cls, octets: bytes, order: Order) -> ProcedureRequest:
        """Return what the octets of ST7 ask for. Raises RemoteProtocolError."""
        number, selector, sequence = _parsed("ST7", octets, order)
        return cls(number=number, selector=selector, sequence=sequence, arguments=octets[_HEAD:])


@dataclass(frozen=True, kw_only=True)
class ProcedureResponse:
    """What ST8 holds after a procedure."""

    number: int
    sequence: int
    result: Result
    data: bytes = b""
    selector: int = 0

    def octets(self, order: Order) -> bytes:
        """Return the table's octets."""
        return _head(self.number, self.selector, self.sequence, order) + bytes((self.result,)) + self.data

    @classmethod
    def of(cls, octets: bytes, order: Order) -> ProcedureResponse:
        """Return what the octets of ST8 say. Raises RemoteProtocolError."""
        number, selector, sequence = _parsed("ST8", octets, order, at_least=_HEAD + 1)
        try:
            result = Result(octets[_HEAD])
        except ValueError:
            raise RemoteProtocolError(
                f"{procedure_text(number)}: result code {octets[_HEAD]} is not defined",
                data=octets,
                frame_intact=True,
            ) from None
        return cls(
            number=number, selector=selector, sequence=sequence, result=result, data=octets[_HEAD + 1 :]
        )


def _head(number: int, selector: int, sequence: int, order: Order) -> bytes:
    return (selector << 12 | number).to_bytes(2, order) + bytes((sequence,))


def _parsed(table: str, octets: bytes, order: Order, at_least: int = _HEAD) -> tuple[int, int, int]:
    if len(octets) < at_least:
        raise RemoteProtocolError(
            f"{table} has {len(octets)} octets, at least {at_least} were expected",
            data=octets,
            frame_intact=True,
        )
    field = int.from_bytes(octets[:2], order)
    return field & _NUMBER_MASK, field >> 12, octets[2]
