"""`noop`: nothing; it ends SKIPPED, which counts as success."""

from orca.stages.definition import Stage, StageContext, stage


@stage("noop")
class Noop(Stage[StageContext]):
    """Do nothing."""
