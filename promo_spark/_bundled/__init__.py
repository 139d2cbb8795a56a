"""Filled by the build of the wheel and of the zip: the jobs and the settings, see promo_spark/installation.py."""
