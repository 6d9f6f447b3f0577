"""Artifacts that come with events: found in payloads, and matched against what a trigger expects."""
