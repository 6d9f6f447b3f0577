"""`noop`, and Deck's `group`: nothing; it ends SKIPPED, which counts as success."""

from orca.stages.definition import Stage, StageContext, stage


@stage("noop", aliases=["group"])
class Noop(Stage[StageContext]):
    """Do nothing."""
