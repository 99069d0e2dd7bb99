"""Every kind of device a site file can name. A family adds its entries here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from virtual_rig.parts.ansi_meter import AnsiMeterEntry
from virtual_rig.parts.gsm import GsmModemEntry, GsmNetworkEntry
from virtual_rig.parts.instruments import AcSourceEntry, PathSwitchEntry
from virtual_rig.parts.mcs301 import Mcs301Entry
from virtual_rig.parts.push_listener import PushListenerEntry
from virtual_rig.parts.secured import EndpointsEntry
from virtual_rig.parts.security import FdmEntry, HandheldEntry, IsmEntry
from virtual_rig.parts.smartsynch import ConfigurationServerEntry, ModuleEntry, NetworkEntry, TmsEntry

DeviceEntry = Annotated[
    Mcs301Entry
    | PushListenerEntry
    | AnsiMeterEntry
    | GsmNetworkEntry
    | GsmModemEntry
    | AcSourceEntry
    | PathSwitchEntry
    | EndpointsEntry
    | IsmEntry
    | FdmEntry
    | HandheldEntry
    | NetworkEntry
    | ConfigurationServerEntry
    | TmsEntry
    | ModuleEntry,
    Field(discriminator="model"),
]
