"""An execution, live: followed through gate's stream, and shown to a person."""
