"""Events that come in: webhooks, and what other services report."""
