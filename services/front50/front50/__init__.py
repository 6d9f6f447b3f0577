"""Front50: applications, pipelines, strategies, permissions and notifications, with the history of each save.

Owns what people configure, and nothing about what runs. Documents are kept as they were given: a
field that Front50 doesn't know is stored and answered like any other.
"""
