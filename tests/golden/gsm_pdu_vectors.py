"""Print SUBMIT PDUs made by python-gsmmodem-new 0.13.0 (LGPL); run by hand, in an environment of its own.

It is a program of its own: no test and no part of the product imports gsmmodem. What it prints was pasted
into gsm_pdu.yaml under ``submit``; what ``decodeSmsPdu`` says of ours stands there under ``read_by_others``.
"""

import sys
from datetime import timedelta

from gsmmodem.pdu import decodeSmsPdu, encodeSmsSubmitPdu


def main() -> None:
    out = sys.stdout.write
    for wanted in (
        {
            "number": "+4915112345678",
            "text": "Meter reading due",
            "reference": 7,
            "validity": timedelta(days=2),
            "requestStatusReport": True,
        },
        {"number": "0171555", "text": "Zähler € [42] {ok}", "reference": 0, "requestStatusReport": False},
        {"number": "+4915112345678", "text": "Счётчик", "reference": 9},
        {"number": "+4915112345678", "text": "x" * 200, "reference": 3},
    ):
        for pdu in encodeSmsSubmitPdu(**wanted):
            out(f"{pdu} {pdu.tpduLength}\n")
    for pdu in sys.argv[1:]:
        out(f"{decodeSmsPdu(pdu)}\n")


if __name__ == "__main__":
    main()
