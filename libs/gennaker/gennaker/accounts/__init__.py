"""Accounts as `gennaker config` edits them: in a settings file, or in a running platform."""
