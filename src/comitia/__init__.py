"""Comitia: every consensus protocol of the field, from its paper to production."""

__version__ = "0.1.0"
