"""What this orca can do: its expressions' functions, preconfigured webhooks."""
