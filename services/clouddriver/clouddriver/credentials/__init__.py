"""The accounts as Spinnaker's clients see them, and how they are."""
