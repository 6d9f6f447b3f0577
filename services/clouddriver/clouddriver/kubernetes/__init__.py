"""Kubernetes: accounts, what is in their clusters (watched into Postgres), and how it is read and changed.

`client` speaks to one API server; `accounts` knows all of them; `resources` is what we know of the clusters;
`watch` and `cache` keep that knowledge fresh.
"""
