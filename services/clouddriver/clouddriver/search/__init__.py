"""Finding what is in the clouds by a part of its name."""
