"""The objects that show how the meter's ports are set: HDLC set-up (class 23) and TCP-UDP set-up (class 41).

Speed and inactivity time-outs come from the entries of the profile that the ports themselves use, the HDLC
parameters are the ones the link engine answers a SNRM with. Inter-octet time-out and MSS are ours. Blue
Book 4.7.3 and 4.9.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.profiles.model import Port
from adapters.protocols.dlms import data as dlms
from adapters.protocols.dlms.hdlc_parameters import DEFAULTS
from virtual_rig.meters.cosem import LiveObject

if TYPE_CHECKING:
    from virtual_rig.meters.mcs301 import Mcs301

COMM_SPEEDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""The enumeration of comm_speed, 0 to 9."""
_HDLC = {"optical_hdlc_setup": "optical", "rs485_hdlc_setup": "rs485"}
_TCP = {"tcp_setup": "ip"}
_NO_IP_SETUP = bytes(6)  # the object list has no IP set-up object to refer to
MSS_OCTETS = 576
INTER_OCTET_MS = 25


class PortSetup:
    """The set-up objects of a meter's ports. They are read only: the ports are set by the profile."""

    def __init__(self, meter: Mcs301) -> None:
        self._profile = meter.profile

    def bind(self, name: str, live: LiveObject) -> bool:
        """Serve the set-up object of a port."""
        if name in _HDLC:
            self._bind_hdlc(live, self._profile.ports[_HDLC[name]])
        elif name in _TCP:
            self._bind_tcp(live, self._profile.ports[_TCP[name]])
        else:
            return False
        return True

    def start(self) -> None:
        """Nothing to do: the ports work by themselves."""

    def _bind_hdlc(self, live: LiveObject, port: Port) -> None:
        live.constant("comm_speed", dlms.enum(COMM_SPEEDS.index(port.baud)))
        live.constant("window_size_transmit", dlms.unsigned(DEFAULTS.window_transmit))
        live.constant("window_size_receive", dlms.unsigned(DEFAULTS.window_receive))
        live.constant("max_info_field_length_transmit", dlms.long_unsigned(DEFAULTS.max_info_transmit))
        live.constant("max_info_field_length_receive", dlms.long_unsigned(DEFAULTS.max_info_receive))
        live.constant("inter_octet_time_out", dlms.long_unsigned(INTER_OCTET_MS))
        live.constant("inactivity_time_out", dlms.long_unsigned(int(port.inactivity_timeout_s)))
        live.constant("device_address", dlms.long_unsigned(self._profile.logical_device.physical_address))

    def _bind_tcp(self, live: LiveObject, port: Port) -> None:
        live.constant("tcp_udp_port", dlms.long_unsigned(port.tcp_port))
        live.constant("ip_reference", dlms.octet_string(_NO_IP_SETUP))
        live.constant("mss", dlms.long_unsigned(MSS_OCTETS))
        live.constant("nb_of_sim_conn", dlms.unsigned(port.max_connections))
        live.constant("inactivity_time_out", dlms.long_unsigned(int(port.inactivity_timeout_s)))
