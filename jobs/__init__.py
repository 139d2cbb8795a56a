"""The jobs: one file each, named like the job. A module here with a `run` is a job; nothing else registers it."""
