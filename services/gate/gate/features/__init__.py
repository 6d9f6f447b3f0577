"""What is off: features whose service is not part of this platform (yet).

Deck asks for some of them at its start and wants an empty list; callers of the others are told so.
"""
