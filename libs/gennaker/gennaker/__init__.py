"""The gennaker command: run the platform, look into it, drive it."""
