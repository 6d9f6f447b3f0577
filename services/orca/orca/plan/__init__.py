"""A plan before the run: what a pipeline would do if it started now, without anything being changed.

`foresight` says what expressions can know before the run, `texts` evaluates a context as far as that goes,
`stages` judges each stage, `outcome` sums up: all pure. `deploys` asks clouddriver for dry runs, `service` ties
it together.
"""
