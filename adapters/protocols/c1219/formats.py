"""How a meter writes numbers, texts and times: what ST0 (GEN_CONFIG_TBL) says about all other tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from adapters.errors import RemoteProtocolError

Order = Literal["little", "big"]

NI_OCTETS = {0: 8, 1: 4, 2: 12, 3: 6, 4: 4, 5: 6, 6: 4, 7: 3, 8: 4, 9: 5, 10: 6, 11: 8, 12: 8, 13: 21}
"""Octets of a non-integer number by NI_FORMAT: 0 float64, 1 float32, 2, 3 and 13 a number as text, 4 int32
with four decimals, 5, 6 and 12 packed decimal, 7 to 11 int24, int32, int40, int48, int64."""
_ENCODINGS = {0: "ascii", 1: "ascii", 2: "latin-1", 3: "utf-8"}


@dataclass(frozen=True, kw_only=True)
class Formats:
    """FORMAT_CONTROL_1 to 3. The fields keep the numbers of the standard."""

    order: Order = "little"  # DATA_ORDER: 0 least significant octet first, 1 most significant first
    char_format: int = 1
    tm_format: int = 2
    id_is_bcd: bool = False
    int_format: int = 0  # 0 two's complement, 1 one's complement, 2 sign and magnitude
    ni_format1: int = 8
    ni_format2: int = 8

    @property
    def encoding(self) -> str:
        """The Python name of the character set. Raises RemoteProtocolError for one wider than an octet."""
        try:
            return _ENCODINGS[self.char_format]
        except KeyError:
            raise RemoteProtocolError(
                f"CHAR_FORMAT {self.char_format} of ST0 is not read here", frame_intact=True
            ) from None

    def ni_octets(self, which: Literal[1, 2]) -> int:
        """Return how long a number of type NI_FMAT1 or NI_FMAT2 is. Raises RemoteProtocolError."""
        code = self.ni_format1 if which == 1 else self.ni_format2
        try:
            return NI_OCTETS[code]
        except KeyError:
            raise RemoteProtocolError(
                f"NI_FORMAT{which} {code} of ST0 is not defined", frame_intact=True
            ) from None

    @classmethod
    def of(cls, general_configuration: Mapping[str, object]) -> Formats:
        """Return what the decoded fields of ST0 say."""
        one, two, three = (
            cast("Mapping[str, int]", general_configuration[f"FORMAT_CONTROL_{number}"])
            for number in (1, 2, 3)
        )
        return cls(
            order="big" if one["DATA_ORDER"] else "little",
            char_format=one["CHAR_FORMAT"],
            tm_format=two["TM_FORMAT"],
            id_is_bcd=bool(two["ID_FORM"]),
            int_format=two["INT_FORMAT"],
            ni_format1=three["NI_FORMAT1"],
            ni_format2=three["NI_FORMAT2"],
        )

    def fields(self) -> dict[str, dict[str, int]]:
        """Return FORMAT_CONTROL_1 to 3 as ST0 holds them."""
        return {
            "FORMAT_CONTROL_1": {"DATA_ORDER": int(self.order == "big"), "CHAR_FORMAT": self.char_format},
            "FORMAT_CONTROL_2": {
                "TM_FORMAT": self.tm_format,
                "DATA_ACCESS_METHOD": 1,  # full and offset
                "ID_FORM": int(self.id_is_bcd),
                "INT_FORMAT": self.int_format,
            },
            "FORMAT_CONTROL_3": {"NI_FORMAT1": self.ni_format1, "NI_FORMAT2": self.ni_format2},
        }
