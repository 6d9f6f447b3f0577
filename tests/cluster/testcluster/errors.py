"""What goes wrong with the test cluster."""


class ClusterError(Exception):
    """The cluster or its programs can't be had; the message says why and what to do."""
