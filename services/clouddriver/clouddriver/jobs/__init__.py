"""Kubernetes Jobs that a pipeline runs: how they are, what they wrote, and ending them."""
