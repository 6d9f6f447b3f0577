"""Names: monikers, Frigga's rules and version sequences."""
