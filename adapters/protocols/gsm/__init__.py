"""Short messages through a GSM modem, sans-IO and for both ends: PDUs, concatenation, AT commands.

``pdu`` has the messages of 3GPP TS 23.040, ``concatenation`` cuts and joins long ones, ``at_client`` is the
host's end of the serial line to a modem (3GPP TS 27.005 and 27.007) and ``at_server`` the modem's.
"""
