"""How long ended executions stay, where they go, and how they come back."""
