"""Objects of clusters as they are, with their rollout's status."""
