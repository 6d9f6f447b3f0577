"""What an operator says about tasks by their class and their cloud: how often they may poll, which are off.

Source: Spinnaker's Orca, `tasks.global.backOffPeriod`, `tasks.<cloudProvider>.backOffPeriod`,
`tasks.<cloudProvider>.<account>.backOffPeriod`, `tasks.<class>.enabled`,
`tasks.{clouddriver,core}.<class>.excludeKeysFromOutputs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orca.execution.model import JsonMap

_DEFAULT_PROVIDER = "aws"


def _by_provider() -> Mapping[str, int]:
    return {}


def _by_account() -> Mapping[tuple[str, str], int]:
    return {}


def _by_class() -> Mapping[str, frozenset[str]]:
    return {}


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """Least pauses between two polls (ms), the task classes that are switched off (`waitTask`), and by task class
    the keys that are not published.
    """

    backoff_ms: int = 0
    of_provider: Mapping[str, int] = field(default_factory=_by_provider)
    of_account: Mapping[tuple[str, str], int] = field(default_factory=_by_account)
    disabled: frozenset[str] = frozenset()
    unpublished: Mapping[str, frozenset[str]] = field(default_factory=_by_class)

    def least_pause(self, context: JsonMap) -> int:
        """Say how long a task of a stage has to wait at least before it is run again, in ms."""
        if not self.of_provider and not self.of_account:
            return self.backoff_ms
        provider = str(context.get("cloudProvider") or _DEFAULT_PROVIDER)
        account = context.get("account.name") or context.get("account") or context.get("credentials")
        return max(self.backoff_ms, self.of_provider.get(provider, 0), self.of_account.get((provider, str(account)), 0))

    def is_off(self, implementing_class: str) -> bool:
        """Say whether tasks of this class (`com.netflix….WaitTask`) are to be skipped."""
        if not self.disabled:
            return False
        return _key(implementing_class) in self.disabled

    def published(self, implementing_class: str, outputs: JsonMap) -> JsonMap:
        """Give what a task of this class may publish of its outputs."""
        hidden = self.unpublished.get(_key(implementing_class)) if self.unpublished else None
        return {key: value for key, value in outputs.items() if key not in hidden} if hidden else outputs


def _key(implementing_class: str) -> str:
    name = implementing_class.rsplit(".", 1)[-1]
    return name[:1].lower() + name[1:]
