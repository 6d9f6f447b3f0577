"""Pods by account and namespace: what they say on their consoles."""
