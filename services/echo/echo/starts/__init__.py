"""Executions to be started: kept until orca has accepted each of them, or refused it for good."""
