"""Pipeline templates: kept by front50, planned by orca, changed by jobs of orca's."""
