"""What an operation works with, and how it fails."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.settings import KubernetesSettings
from clouddriver.operations.promises import Versions

Result = dict[str, Any]


class OperationFailed(Exception):
    """An operation can't be done. The message is for the user: what, where, what to do.

    `details` go into the task's result, such as what had been done before.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class MayWorkLater(OperationFailed):
    """The cluster did not do it just now; the step is repeated some times before this is the operation's failure."""


class Description(BaseModel):
    """What an operation is asked to do. Orca sends its whole stage, so that fields of others are no fault."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, alias_generator=to_camel)

    account: str = Field(min_length=1, validation_alias=AliasChoices("account", "credentials"))


class OperationContext(ABC):
    """What an operation gets beside its description.

    `marker` names this step of this operation; an object that carries it was made here before.
    """

    def __init__(
        self,
        marker: str,
        account: Account,
        resources: ResourceStore,
        settings: KubernetesSettings,
        versions: Versions,
    ) -> None:
        self.marker = marker
        self.account = account
        self.resources = resources
        self.settings = settings
        self.versions = versions

    @abstractmethod
    def say(self, status: str) -> None:
        """Add a line to the history; fails when another worker has taken over."""

    @abstractmethod
    def decide(self, make: Callable[[], Any]) -> Any:
        """Give the decision that was kept for this step, else make it and keep it before giving it.

        It is JSON; whatever it depends on (live objects, the time) is looked at in `make` only, so that a
        repetition of the step does the same.
        """


D = TypeVar("D", bound=Description)


@dataclass(frozen=True, slots=True)
class OperationType(Generic[D]):
    """A kind of operation: its name, its phase in the history, what it takes, what can be refused at once, its work.

    `check` names the faults that show without asking a cluster. `run` must be repeatable at any point.
    """

    name: str
    phase: str
    description: type[D]
    run: Callable[[OperationContext, D], Result | None]
    check: Callable[[D, Account], list[str]] = lambda _, __: []

    def read(self, body: Mapping[str, Any]) -> D:
        """Read a description; raises pydantic's `ValidationError`."""
        return self.description.model_validate(body)
