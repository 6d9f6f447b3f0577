"""The Spring expression language that pipelines use, as a bounded interpreter."""
