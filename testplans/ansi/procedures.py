"""The procedures of the ANSI plans: what needs logic, as typed Python a plan step can call by name."""

from testplans.ansi import first_article, identification, load_profile, security

__all__ = ["first_article", "identification", "load_profile", "security"]
