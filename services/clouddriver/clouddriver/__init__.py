"""Clouddriver: providers with their accounts, what is in their clouds, and operations on it.

Owns what is known of the clouds and every change that is made there; knows nothing of pipelines.
"""
