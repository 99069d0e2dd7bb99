"""Secured endpoints, the radio to them, and who issues what they trust."""
