"""Commands: what a person asks of a lake by hand, a file each. Run by scripts/submit.sh, never by the pipeline."""
