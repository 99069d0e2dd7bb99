"""Provisioning of a GE I-210: the module in the meter, the cellular network, TMS and configuration server."""
