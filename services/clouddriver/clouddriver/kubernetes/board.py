"""What the watches of one account say of themselves, gathered for the account's supervisor."""

import asyncio
from collections.abc import Sequence

from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.health import ScopeStanding, ScopeState
from clouddriver.kubernetes.watch import Scope


class Board:
    """The standings of an account's scopes, and whether its API server can be worked with."""

    def __init__(self) -> None:
        self._standings: dict[Scope, ScopeStanding] = {}
        self._usable = asyncio.Event()
        self._usable.set()
        self.changed = asyncio.Event()
        self.trouble: KubernetesError | None = None
        self.confined_to: Sequence[str] = ()

    def note(self, scope: Scope, state: ScopeState, reason: str = "") -> None:
        """Note how a scope stands now."""
        standing = ScopeStanding(scope, state, reason)
        if self._standings.get(scope) != standing:
            self._standings[scope] = standing
            self.changed.set()

    def forget(self, scope: Scope) -> None:
        """Take a scope off, which is not watched any more."""
        if self._standings.pop(scope, None):
            self.changed.set()

    def confine(self, namespaces: Sequence[str]) -> None:
        """Note that only these namespaces are watched, because the whole cluster may not be (empty: it may)."""
        if tuple(namespaces) != tuple(self.confined_to):
            self.confined_to = tuple(namespaces)
            self.changed.set()

    def standings(self) -> list[ScopeStanding]:
        """List how all scopes stand."""
        return list(self._standings.values())

    async def wait_out(self, error: KubernetesError) -> None:
        """Report trouble that concerns the whole server, and wait until that is over."""
        if self._usable.is_set():
            self.trouble = error
            self._usable.clear()
            self.changed.set()
        await self._usable.wait()

    def recovered(self) -> None:
        """Note that the server answers again; whoever waits goes on."""
        self.trouble = None
        self._usable.set()
        self.changed.set()
