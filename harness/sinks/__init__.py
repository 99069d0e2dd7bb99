"""Sinks turn records into reports."""
