"""Triage: imaging studies in, a defensible reading order out. Research use, not a medical device."""

__version__ = "0.1.0"
