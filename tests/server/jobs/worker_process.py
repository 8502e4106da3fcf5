"""`melisma worker` with the handlers of the tests: python worker_process.py JSON."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import job_handlers

from melisma.server.context import Context
from melisma.server.jobs.queue import Queue
from melisma.server.settings import JobSettings, ServiceSettings
from melisma.server.worker import serve


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    jobs = JobSettings(**given["jobs"])
    context = Context(ServiceSettings(data=Path(given["data"]), database_url=given["database_url"], jobs=jobs))
    context.__dict__["queue"] = Queue(context, job_handlers.KINDS)
    serve(context, given["n_threads"], lambda: print("working", flush=True), job_handlers.KINDS)


if __name__ == "__main__":
    main()
