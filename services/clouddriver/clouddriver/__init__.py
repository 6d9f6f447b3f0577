"""Providers: accounts, caches and operations."""
