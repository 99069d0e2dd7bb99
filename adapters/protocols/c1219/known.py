"""What is known of one meter while its tables are read: formats from ST0, dimensions from other tables."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.errors import LocalProtocolError
from adapters.profiles.layout import Amount, Condition
from adapters.protocols.c1219.formats import Formats
from adapters.protocols.c1219.numbers import parse_table, table_text

GENERAL_CONFIGURATION = 0


class Known:
    """Decoded tables of one meter, by number; ``formats`` follow ST0 as soon as it is learnt."""

    def __init__(self, formats: Formats | None = None) -> None:
        self.formats = formats or Formats()
        self._tables: dict[int, Mapping[str, object]] = {}

    def learn(self, number: int, fields: Mapping[str, object]) -> None:
        """Take note of the decoded fields of a table."""
        self._tables[number] = fields
        if number == GENERAL_CONFIGURATION:
            self.formats = Formats.of(fields)

    def forget(self) -> None:
        """Forget everything but the formats: the meter may have been programmed anew."""
        self._tables.clear()

    def knows(self, number: int) -> bool:
        """Return whether the table has been learnt."""
        return number in self._tables

    def fields(self, number: int) -> Mapping[str, object]:
        """Return the fields of a table that was learnt. Raises LocalProtocolError."""
        try:
            return self._tables[number]
        except KeyError:
            raise LocalProtocolError(f"{table_text(number)} has not been read") from None


class Scope:
    """Where the references of one layout are looked up: in the table itself and in those learnt before."""

    def __init__(self, known: Known, own: Mapping[str, object]) -> None:
        self._known, self._own = known, own

    def number(self, reference: str) -> int:
        """Return the number a reference stands for. Raises LocalProtocolError where it is none."""
        table, _, rest = reference.partition(".")
        number = parse_table(table) if rest else None
        found: object = self._own if number is None else self._known.fields(number)
        for name in (rest if number is not None else reference).split("."):
            if not isinstance(found, Mapping):
                raise LocalProtocolError(f"{reference}: {name} is no field of a field")
            # A field that a condition leaves out counts as 0: no set 2 means no channels in it.
            found = found.get(name, 0)
        if not isinstance(found, int):
            raise LocalProtocolError(f"{reference} is no number but {found!r}")
        return int(found)

    def amount(self, amount: Amount) -> int:
        """Return how many an amount is; 0 for ``rest``, which only the octets can tell."""
        if amount.rest:
            return 0
        if not amount.reference:
            return amount.constant
        return -(-(self.number(amount.reference) + amount.plus) // amount.per)

    def holds(self, condition: Condition | None) -> bool:
        """Return whether a field with this condition is there."""
        if condition is None:
            return True
        if condition.uses >= 0:
            used = self._known.fields(GENERAL_CONFIGURATION)["STD_TBLS_USED"]
            return isinstance(used, tuple) and condition.uses in used
        value = self.number(condition.reference)
        match condition.compare:
            case "=":
                holds = value == condition.number
            case ">":
                holds = value > condition.number
            case _:
                holds = value != 0
        return holds != condition.negated
