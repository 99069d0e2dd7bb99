"""A stand-in for the air link to secured endpoints, and the security material that travels on it.

What real endpoints speak is licensed and not public. See ``docs/endpoint-link.md``.
"""
