"""The steps of jobs whose flow is longer than a page: one folder or file per job."""
