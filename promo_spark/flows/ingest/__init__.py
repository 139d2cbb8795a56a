"""The steps of ingest: what is delivered, judged, let in, loaded and reported."""
