"""What is told to people about pipelines: front50 keeps it, echo knows the kinds."""
