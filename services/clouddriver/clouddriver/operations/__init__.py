"""Operations: changes to clusters that are asked for once, run by a worker, and followed at `/task/{id}`.

Postgres keeps them; a Celery message only says which to look at. A worker holds a lease while it works; when it
dies, another one takes over, finds what was decided, and goes on. Every step may be repeated at any time.
"""
