"""Time the whole path of a job: upload, slice, publish, collect, score, infer, decide, settle, done.

``python -m benchmarks.path --json``

Everything runs as in production, in processes of its own on one machine: Postgres (embedded, fsync on, in a temporary
folder), `assay serve`, `assay marketplace` and as many `assay work` as asked for. The pipeline reaches the market by
boto3 over HTTP. The crowd is lean: places are accepted by the marketplace's own statement, over a connection whose
backend is counted as the crowd's, and answers are sent to externalSubmit over HTTP.

What is told:

- ``answers_per_second``: answers of jobs that are done, over the time from the first upload to the last job's end.
- ``shares``: of the CPU seconds that this took, without the crowd's: Postgres' processes; HTTP, which is the processes
  that serve (API and marketplace, the crowd's submissions included); boto3, which is what the threads that call it use
  (``assay_market_cpu_seconds_total``); and the pipeline, the rest of the `assay work` processes. ``cores_used`` adds
  the crowd's and divides by the seconds: near the number of cores, the machine is what bounds the path.
- ``hits``: HITs posted a second from the first sent to the last known, beside a loop of bare boto3 calls with the same
  bodies on as many threads against the same server, while the pipeline is stopped. The two take turns.
- ``rows``: answers a second through collect's own save, from the XML that the marketplace gave to the commit of
  answers, assignments, effects and counts, beside bare `unnest` of the same rows into the same table, with the same
  indexes and constraints and in transactions of the same size.
- ``workers``: the whole path with so many `assay work` processes and as many jobs, as a job is worked on by one process
  at a time, stage by stage.

Each run ends by holding the marketplace's books against the service's.
"""
