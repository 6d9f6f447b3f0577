"""Orchestration: executions, stages and tasks."""
