"""The execution that started another one: kept by its id, put into the trigger when somebody reads it."""

from orca.execution.rows import Loaded
from orca.execution.served import execution_document
from orca.execution.store import ExecutionStore

_DEEPEST = 10


def embed_parents(store: ExecutionStore, loaded: Loaded, depth: int = _DEEPEST) -> None:
    """Put the parent execution, with its own parents, into the trigger as Spinnaker shows them."""
    trigger = loaded.execution.trigger
    parent_id = trigger.get("parentExecutionId")
    if not isinstance(parent_id, str) or "parentExecution" in trigger or depth == 0:
        return
    parent = store.load(parent_id)
    if parent is not None:
        embed_parents(store, parent, depth - 1)
        trigger["parentExecution"] = execution_document(parent.execution)


def embed_parent_for_expressions(store: ExecutionStore, loaded: Loaded) -> None:
    """Put the parents in when a stage's expressions may ask for them."""
    if "parentExecutionId" not in loaded.execution.trigger:
        return
    if any("${" in context and "trigger" in context for context, _ in loaded.texts.values()):
        embed_parents(store, loaded)
