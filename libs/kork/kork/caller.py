"""Who sends the request that is being served, as a parameter of endpoints.

Apart from `kork.identity`, so that workers, which serve no requests, need no web framework.
"""

from typing import Annotated

from fastapi import Depends, Request

from kork.identity import Identity, current_identity


def _request_identity(request: Request) -> Identity:
    identity = getattr(request.state, "identity", None)
    return identity if isinstance(identity, Identity) else current_identity()


CurrentUser = Annotated[Identity, Depends(_request_identity)]
