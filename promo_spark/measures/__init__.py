"""Words that several rooms share, Column → Column or frame → frame: what a purchase is, who may be profiled."""
