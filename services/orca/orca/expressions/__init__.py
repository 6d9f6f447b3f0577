"""Expressions of pipelines: what they see, what they may call, and how a stage's context is evaluated."""

from orca.expressions.evaluator import PipelineExpressions, StageExpressions

__all__ = ["PipelineExpressions", "StageExpressions"]
