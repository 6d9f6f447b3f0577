"""Applications: what people own together, by name."""
