"""Servers to test echo against: peers on real sockets that can be away. Nothing here is imported by echo itself."""
