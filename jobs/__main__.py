"""`python -m jobs JOB …` runs a job without spark-submit, on this machine."""

from jobs import main

main()
