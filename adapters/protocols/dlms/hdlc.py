"""HDLC for DLMS (IEC 62056-46): the names others use.

``hdlc_frame`` one frame; ``hdlc_stream`` frames in a stream of octets; ``hdlc_parameters`` what SNRM and UA
negotiate; ``hdlc_state`` the table of states; ``hdlc_channel`` numbered segments; ``hdlc_client`` and
``hdlc_server`` the two engines.
"""

from adapters.protocols.dlms.hdlc_client import HdlcClientLink
from adapters.protocols.dlms.hdlc_frame import Control, HdlcAddress, HdlcFrame, decode_frame
from adapters.protocols.dlms.hdlc_server import HdlcServerLink
from adapters.protocols.dlms.hdlc_state import State
from adapters.protocols.dlms.hdlc_stream import HdlcStream, Skipped

__all__ = [
    "Control",
    "HdlcAddress",
    "HdlcClientLink",
    "HdlcFrame",
    "HdlcServerLink",
    "HdlcStream",
    "Skipped",
    "State",
    "decode_frame",
]
