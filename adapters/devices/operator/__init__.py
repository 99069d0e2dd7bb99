"""A person at the bench in place of an adapter: what has no API is done by hand, guided step by step."""

from __future__ import annotations

from adapters.devices.operator.device import Operator

__all__ = ["Operator"]
