"""Pages as HTML: one file each with its style and charts inside, everything from outside escaped."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from promo_spark.errors import printable


def page_templates() -> Environment:
    """The templates of promo_spark/reports/templates, from wherever the package lies: a folder, or a zip."""
    return Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )


def _template(name: str) -> str:
    return (files("promo_spark.reports") / "templates" / name).read_text(encoding="utf-8")


def _shown(value: object) -> object:
    """A text from outside with its control characters as letters; what a template made is HTML already."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
