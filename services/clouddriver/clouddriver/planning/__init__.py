"""What operations would do, without doing it."""
