"""Stage types that an operator composes of others in the settings (`stages.custom`)."""
