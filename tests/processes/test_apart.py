# ruff: noqa: ASYNC210 - nothing else runs in these tests' event loop
"""Processes of their own against one database: started together, ready, and stopped."""

from __future__ import annotations

import json

import httpx

from tests.processes.conftest import free_port


async def test_api_pipeline_and_marketplace_run_apart_on_one_database(empty_dsn, folder, start, run):
    ports = {name: free_port() for name in ("serve", "work", "marketplace")}
    market = f"http://127.0.0.1:{ports['marketplace']}/mturk"
    env = {"DATABASE_URL": empty_dsn, "ASSAY_DATA": str(folder / "data")}
    keys = {"ASSAY_MARKETS__HOUSE__ACCESS_KEY": "AKIANOBODY", "ASSAY_MARKETS__HOUSE__SECRET_KEY": "nothing"}
    # All at once on an empty database: one of them migrates it.
    processes = {
        name: start(name, *options, "--port", str(port), ASSAY_MARKETS__HOUSE__ENDPOINT=market, **env, **keys)
        for (name, port), options in zip(ports.items(), ([], ["--probes"], []), strict=True)
    }
    for name, process in processes.items():
        process.wait_until_ready(ports[name])

    made = json.loads(run("key", "create", "--json", **env).stdout)
    url = f"http://127.0.0.1:{ports['serve']}/v1/jobs"
    assert httpx.get(url, headers={"Authorization": f"Bearer {made['key']}"}).status_code == 200
    assert "assay_stage_seconds" in httpx.get(f"http://127.0.0.1:{ports['work']}/metrics").text

    assert "AKIANOBODY" not in "".join(process.output for process in processes.values())
    assert {name: process.stop() for name, process in processes.items()} == dict.fromkeys(ports, 0)
    assert "Traceback" not in "".join(process.output for process in processes.values())


async def test_readiness_tells_what_is_missing(service_dsn, service_pool, folder, start):
    port = free_port()
    serve = start("serve", "--port", str(port), DATABASE_URL=service_dsn, ASSAY_DATA=str(folder))
    serve.wait_until_ready(port)
    await service_pool.execute(
        "DELETE FROM schema_migration WHERE version = (SELECT max(version) FROM schema_migration)"
    )
    answer = httpx.get(f"http://127.0.0.1:{port}/ready")
    assert answer.status_code == 503
    assert "is expected" in answer.json()["missing"]["service"]
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
