"""Executions: their model, the rules by which they run, their store and the worker that drives them."""
