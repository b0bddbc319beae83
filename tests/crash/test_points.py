"""The lists of named points against the product: what it does from now on has a point, or a test fails."""

from __future__ import annotations

import ast
import inspect

import boto3

from marketplace.operations import OPERATIONS as SERVED
from service.markets import mturk
from service.markets.market import Market
from service.pipeline import engine
from tests.crash.points import ALL, CALLS, OPERATIONS, REQUESTS, STAGES

NO_CALLS = {"read_answers", "close"}  # they ask the market nothing
BY_WORKERS = {"accept", "externalSubmit"}  # what workers ask of the marketplace, at its site


def test_every_stage_has_points():
    assert set(STAGES) == engine.STAGES.keys()


def test_every_call_that_a_market_takes_has_points():
    calls = {name for name, value in vars(Market).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert set(CALLS) == calls - NO_CALLS


def test_every_operation_that_the_service_asks_for_has_points():
    """The adapter names operations in words: each is one of boto3's methods, told apart by botocore's own table."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(mturk)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_call"
    ]
    client = boto3.client("mturk", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    asked = {client.meta.method_to_api_mapping[call.args[0].value] for call in calls}
    assert set(OPERATIONS) - BY_WORKERS == asked
    assert asked <= SERVED.keys()


def test_nothing_else_of_the_adapter_reaches_boto3():
    uses = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(mturk)))
        if isinstance(node, ast.Attribute) and node.attr == "_client"
    ]
    assert len(uses) == 3, "made, called in _call by name, and closed: what calls it elsewhere has no points"


def test_no_point_is_named_twice():
    assert len(ALL) == 3 * len(STAGES) + 2 * len(CALLS) + 3 + 2 * len(OPERATIONS) + len(REQUESTS)
