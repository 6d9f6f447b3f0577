"""What orca tells of executions: it may start others, and people want to know."""
