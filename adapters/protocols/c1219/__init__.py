"""ANSI C12.19 end device tables: octets to fields and back by layouts that are data, for both roles.

Known     what one meter's own tables say about the others: formats, dimensions
decode    octets -> fields        encode    fields -> octets        find    where one field stands
"""

from adapters.protocols.c1219.codec import (
    MAX_TABLE_OCTETS,
    MAX_VALUES,
    Place,
    decode,
    decode_place,
    encode,
    encode_place,
    find,
    referenced_tables,
    size_of,
)
from adapters.protocols.c1219.formats import Formats
from adapters.protocols.c1219.known import Known
from adapters.protocols.c1219.numbers import MANUFACTURER, parse_table, table_text
from adapters.protocols.c1219.procedures import ProcedureRequest, ProcedureResponse, Result
from adapters.protocols.c1219.times import MeterTime

__all__ = [
    "MANUFACTURER",
    "MAX_TABLE_OCTETS",
    "MAX_VALUES",
    "Formats",
    "Known",
    "MeterTime",
    "Place",
    "ProcedureRequest",
    "ProcedureResponse",
    "Result",
    "decode",
    "decode_place",
    "encode",
    "encode_place",
    "find",
    "parse_table",
    "referenced_tables",
    "size_of",
    "table_text",
]
