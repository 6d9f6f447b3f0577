"""Who comes in: authentication, what the browser may do, which paths are well-formed."""
