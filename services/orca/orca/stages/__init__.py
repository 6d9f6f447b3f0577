"""Stage types: each a class in a file of its own, found through the entry point group `orca.stages`."""
