"""A GSM network for short messages, and modems on it."""
