"""Bells: what a worker reads, and what happens without a Redis."""

from typing import Any

import pytest
from kombu.connection import Connection
from kork.bell import Bell


def test_a_worker_reads_each_call(redis_url: str):
    bell = Bell(redis_url)
    bell.ring("do.this", "works", [["a", 1], ["b", 2]])
    bell.ring("do.this", "works", [])
    bell.close()
    read: list[Any] = []
    with Connection(redis_url) as connection:
        queue = connection.SimpleQueue("works")
        for _ in range(2):
            message = queue.get(timeout=60)
            assert (message.headers["task"], message.content_type) == ("do.this", "application/json")
            read.append(message.payload[0])
            message.ack()
        with pytest.raises(queue.Empty):
            queue.get(block=False)
        queue.close()
    assert read == [["a", 1], ["b", 2]]


def test_a_bell_that_can_t_be_rung_is_no_fault():
    Bell("redis://127.0.0.1:9/0").ring("do.this", "works", [["a"]])
