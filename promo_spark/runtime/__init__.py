"""The edge to Spark and the shell: session, job declaration, run log, progress, command line."""
