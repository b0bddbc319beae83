"""A loop of bare boto3 calls that post HITs: what a program without Assay would do.

``python -m benchmarks.path.bare`` reads what to post as JSON from standard input, and prints the seconds it took.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config


def main() -> None:
    plan = json.load(sys.stdin)
    client: Any = boto3.client(
        "mturk",
        endpoint_url=plan["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=plan["access_key"],
        aws_secret_access_key=plan["secret_key"],
        config=Config(max_pool_connections=plan["threads"], retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    client.get_account_balance()  # what is made once is made now

    def post(hit: dict[str, Any]) -> None:
        client.create_hit_with_hit_type(
            HITTypeId=plan["hit_type_id"],
            MaxAssignments=hit["max_assignments"],
            LifetimeInSeconds=plan["lifetime"],
            Question=hit["question"],
            RequesterAnnotation=hit["annotation"],
            UniqueRequestToken=uuid.uuid4().hex,
        )

    with ThreadPoolExecutor(plan["threads"]) as threads:
        started = time.perf_counter()
        list(threads.map(post, plan["hits"]))
        print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
