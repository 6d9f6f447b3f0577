"""Notifications out: who is told of an execution, in which words, until it has arrived."""
