"""Artifacts: what an execution received, what its stages made, and which of them is meant.

Pure but for `content`, which reads an artifact's bytes. Source of the rules: Spinnaker's Orca
(`ArtifactResolver`, `ArtifactUtils`) and kork's `ExpectedArtifact`.
"""

from orca.artifacts.model import Artifact, ExpectedArtifact, read_artifact, read_artifacts, read_expected
from orca.artifacts.resolution import Prospect, Resolution, expected_ids_for, prospects, resolve, resolve_for_start
from orca.artifacts.scope import artifacts_of, bound_by_id, in_scope

__all__ = [
    "Artifact",
    "ExpectedArtifact",
    "Prospect",
    "Resolution",
    "artifacts_of",
    "bound_by_id",
    "expected_ids_for",
    "in_scope",
    "prospects",
    "read_artifact",
    "read_artifacts",
    "read_expected",
    "resolve",
    "resolve_for_start",
]
