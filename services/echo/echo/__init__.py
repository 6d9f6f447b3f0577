"""Triggers in, notifications out."""
