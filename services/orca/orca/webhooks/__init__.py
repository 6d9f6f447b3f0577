"""Requests to addresses that users write: which are allowed, how they are sent, how answers are read.

Nothing here follows an address that the operator's restrictions forbid, by a redirect or by DNS either.
"""
