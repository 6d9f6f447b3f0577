"""The commands, one file a noun; what they need is imported when they run."""
