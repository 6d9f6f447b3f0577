"""What tests of several packages share: serving on real sockets, peers that record, waiting on conditions.

Nothing that runs in a service imports it.
"""
