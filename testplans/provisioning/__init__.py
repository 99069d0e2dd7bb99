"""Provisioning plans and their procedures."""
