"""What echo remembers of front50's pipelines, so that it can match events whether front50 answers or not."""
