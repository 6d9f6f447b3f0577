"""On whose behalf a stage acts."""

from typing import Any

from kork.identity import ANONYMOUS, Identity

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.execution.status import Status

_OURS = frozenset({"roles", "admin"})


def identity_of(execution: Execution, stage: StageExecution) -> Identity:
    """Give the identity of a stage (spec 1.16).

    The nearest ancestor judgment that said "continue" and passes its judge's authority on decides;
    otherwise it is who started the execution.
    """
    given: dict[str, Any] = execution.authentication
    for before in execution.ancestors(stage):
        if (
            before.type == "manualJudgment"
            and before.status is not Status.SKIPPED
            and before.context.get("propagateAuthenticationContext")
            and before.context.get("judgmentStatus") == "continue"
            and before.last_modified
        ):
            given = before.last_modified
            break
    return Identity(
        user=given.get("user") or ANONYMOUS,
        accounts=tuple(given.get("allowedAccounts") or ()),
        roles=tuple(given.get("roles") or ()),
        admin=given.get("admin") is True,
    )


def authority_of(user: Identity) -> JsonMap:
    """Give what is kept of who started something, or judged: by this its stages act later."""
    kept: JsonMap = {"user": user.user, "allowedAccounts": list(user.accounts)}
    if user.roles:
        kept["roles"] = list(user.roles)
    if user.admin:
        kept["admin"] = True
    return kept


def shown_authority(kept: JsonMap) -> JsonMap:
    """Give what Spinnaker shows of it: not the roles."""
    return {key: value for key, value in kept.items() if key not in _OURS}
