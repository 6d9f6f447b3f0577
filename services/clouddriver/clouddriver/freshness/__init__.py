"""How fresh what we know is; and the refresh that Spinnaker's clients ask for, which watches make needless."""
