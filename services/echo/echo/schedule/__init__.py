"""Cron triggers: when they fire, and the rows that remember the next time."""
