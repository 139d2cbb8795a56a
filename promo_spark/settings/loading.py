"""Settings from files and options: read, put on top of one another, validated; errors name the key."""

from __future__ import annotations

import datetime
import difflib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError, model_validator

from promo_spark.errors import SettingsError
from promo_spark.installation import settings_folders
from promo_spark.secret_references import HOW_TO_WRITE
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.elasticity import ElasticitySettings
from promo_spark.settings.evaluate import EvaluateSettings
from promo_spark.settings.export import ExportSettings
from promo_spark.settings.forecast import ForecastSettings
from promo_spark.settings.generate import GenerateSettings
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.lake import LakeSettings
from promo_spark.settings.maintain import MaintainSettings
from promo_spark.settings.pipeline import PipelineSettings
from promo_spark.settings.profile import ProfileSettings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.settings.propensity import PropensitySettings
from promo_spark.settings.recommend import RecommendSettings
from promo_spark.settings.report import ReportSettings
from promo_spark.settings.risk import RiskSettings
from promo_spark.settings.sections import Section
from promo_spark.settings.segment import SegmentSettings
from promo_spark.settings.simulate import SimulateSettings
from promo_spark.settings.spark import SparkSettings
from promo_spark.settings.stream import StreamSettings
from promo_spark.settings.uplift import UpliftSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


class Settings(Section):
    """All sections, registered here and only here; the section of a job is named like the job."""

    lake: LakeSettings
    business: BusinessSettings
    spark: SparkSettings
    ingest: IngestSettings
    profile: ProfileSettings
    segment: SegmentSettings
    baskets: BasketsSettings
    recommend: RecommendSettings
    forecast: ForecastSettings
    propensity: PropensitySettings
    uplift: UpliftSettings
    elasticity: ElasticitySettings
    risk: RiskSettings
    promote: PromoteSettings
    evaluate: EvaluateSettings
    adjust: AdjustSettings
    report: ReportSettings
    export: ExportSettings
    stream: StreamSettings
    generate: GenerateSettings
    simulate: SimulateSettings
    maintain: MaintainSettings
    pipeline: PipelineSettings

    @model_validator(mode="before")
    @classmethod
    def _one_folder(cls, values: Any) -> Any:
        """A world whose folder is "" lies where ingest looks for it, so that one setting moves both."""
        generate, ingest = (dict(values).get(name) for name in ("generate", "ingest"))
        if isinstance(generate, Mapping) and isinstance(ingest, Mapping) and generate.get("folder") == "":
            return {**values, "generate": {**generate, "folder": ingest.get("folder", "")}}
        return values  # what is wrong with them is told of each section

    @model_validator(mode="after")
    def _streams_read_as_ingest(self) -> Settings:
        """Refuses sources of stream that no source of ingest describes, and checkpoints that would lie nowhere."""
        known = self.ingest.sources if self.ingest.adapter == "files" else {}
        for name, source in self.stream.sources.items():
            if source.mapping not in known:
                raise ValueError(
                    f"stream.sources.{name}.mapping is {source.mapping}, which is not in ingest.sources; there are: "
                    f"{', '.join(known) or 'none'}"
                )
        if self.stream.sources and self.lake.catalog and not self.stream.checkpoints:
            raise ValueError("stream.checkpoints is empty, and a lake in a catalog has no folder: name one")
        return self


def environments(conf: str | None = None) -> list[str]:
    """Names that --env takes: the settings files but base."""
    return sorted(set(_names(conf, "")) - {"base"})


def mappings(conf: str | None = None) -> list[str]:
    """Names that ingest.mapping takes: the settings files of the folder sources."""
    return _names(conf, "sources")


def load(
    env: str | None = None, overrides: Sequence[str] | Mapping[str, Any] = (), conf: str | None = None
) -> Settings:
    """The settings of an environment with overrides, such as "promote.daily_budget=500.0" or {key: value}.

    Files are looked for in the folder `conf` first, then among the project's own. An environment's file may begin
    with `based_on = "NAME"` and then says only what differs from that environment. A ready mapping, chosen by
    ingest.mapping, stands between base and environment, so that either of the user's ways to set a key changes it.
    Raises SettingsError naming each key that is unknown, missing, mistyped or out of bounds.
    """
    if conf is not None and not Path(conf).is_dir():
        raise SettingsError(f"--conf {conf}: there is no such folder")
    base, own = _toml(_file(conf, "base.toml")), {} if env is None else _environment(env, conf)
    for override in overrides.items() if isinstance(overrides, Mapping) else overrides:
        own = _merged(own, _override(override) if isinstance(override, str) else _nested(*override))
    mapping = _merged(base, own).get("ingest", {}).get("mapping", "")
    if mapping:
        if mapping not in mappings(conf):
            raise SettingsError(
                f"ingest.mapping {mapping!r}: there is no conf/sources/{mapping}.toml; there are: "
                f"{', '.join(mappings(conf))}"
            )
        base = _merged(base, _toml(_file(conf, "sources", f"{mapping}.toml")))
    return validated(_merged(base, own))


def validated(values: Mapping[str, Any]) -> Settings:
    """Settings from plain values, as read from TOML or JSON."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [f"  {_named(e)}{_sentence(e['type'], e['msg'])}{_found(e)}{_near(e)}" for e in error.errors()]
        raise SettingsError("these settings are wrong (see conf/base.toml):\n" + "\n".join(problems)) from None


def parsed_date(text: str) -> datetime.date:
    """A date from YYYY-MM-DD, strictly; SettingsError for anything else."""
    try:
        date = datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        date = None
    if date is None or date.isoformat() != text:
        raise SettingsError(f"--date {text!r} is not a date; write it as YYYY-MM-DD, such as 2017-12-01")
    return date


def _named(problem: Any) -> str:
    """Which setting has the problem; "" where its sentence names it, as it is of several."""
    name = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    return f"{name}: " if name else ""


_SENTENCES = {
    "extra_forbidden": "there is no such setting",
    "missing": "missing",
    "list_type": 'write a list, such as ["a", "b"]',
    "dict_type": 'write a table, such as { "a" = 1 }',
    "model_type": 'write a table, such as { "a" = 1 }',
}


def _sentence(kind: str, message: str) -> str:
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    return message.removeprefix("Value error, ") if kind == "value_error" else message[0].lower() + message[1:]


def _near(problem: Any) -> str:
    """The setting that was perhaps meant by one that there is not."""
    if problem["type"] != "extra_forbidden":
        return ""
    *sections, name = map(str, problem["loc"])
    model: Any = Settings
    for section in sections:
        field = model.model_fields.get(section)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, Section):
            return ""
        model = field.annotation
    near = difflib.get_close_matches(name, model.model_fields, n=1)
    return f"; is {'.'.join([*sections, *near])} meant?" if near else ""


_BYTE_ORDER_MARK = "\ufeff"  # which Windows' editor writes first
_SENSITIVE = re.compile(r"secret|passw|token|credential|api_?key|connections\.|targets\.", re.IGNORECASE)


def _found(problem: Any) -> str:
    """The value that was found, unless it may be a secret, or hold one, or is a whole section."""
    if problem["type"] in ("missing", "value_error"):
        return ""
    named = ".".join(str(p) for p in problem["loc"])
    if problem["type"] == "literal_error" and not _SENSITIVE.search(str(problem["loc"][-1])):
        return f", found {problem['input']!r}"  # one of a few words, also in a section that may hold secrets
    if _SENSITIVE.search(named):
        return f", found a value that is not shown; a secret is given by reference: {HOW_TO_WRITE}"
    shown = repr(problem["input"])
    return f", found {'values that are not shown' if _SENSITIVE.search(shown) else shown}"


def _names(conf: str | None, within: str) -> list[str]:
    folders = [folder / within if within else folder for folder in settings_folders(conf)]
    files = [file.name for folder in folders if folder.is_dir() for file in folder.iterdir()]
    return sorted({name.removesuffix(".toml") for name in files if name.endswith(".toml")})


def _file(conf: str | None, *names: str) -> Traversable:
    """The first file of these names in the folders of settings."""
    candidates = [folder.joinpath(*names) for folder in settings_folders(conf)]
    return next((file for file in candidates if file.is_file()), candidates[-1])


def _environment(env: str, conf: str | None, below: Sequence[str] = ()) -> dict[str, Any]:
    """What an environment's file says, over the environment that its `based_on` names. `below`: those based on it."""
    if env not in environments(conf):
        named = f"based_on = {env!r} in {below[-1]}.toml" if below else f"--env {env}"
        raise SettingsError(
            f"{named}: there is no {conf or 'conf'}/{env}.toml; there are: {', '.join(environments(conf))}"
        )
    if env in below:
        raise SettingsError(f"--env {below[0]}: {' is based on '.join([*below, env])}; end the circle")
    own = _toml(_file(conf, f"{env}.toml"))
    based_on = own.pop("based_on", None)
    return own if based_on is None else _merged(_environment(str(based_on), conf, (*below, env)), own)


def _toml(path: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8").removeprefix(_BYTE_ORDER_MARK))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: the checkout or the installation is not whole") from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path} is not in UTF-8 (byte {error.start + 1} is {error.object[error.start]:#04x}): save it as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _nested(key: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for the key "a.b"."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return dict(value)


def _override(text: str) -> dict[str, Any]:
    """`section.key=value` as a line of TOML, so that a key with dots may be quoted; a bare word counts as text."""
    path, equals, raw = text.partition("=")
    for value in (raw, json.dumps(raw)):
        try:
            nested = tomllib.loads(f"{path} = {value}")
        except tomllib.TOMLDecodeError:
            continue
        if equals and isinstance(next(iter(nested.values())), dict):
            return nested
    shown = "(what may be a secret is not shown)" if _SENSITIVE.search(text) else repr(text)
    raise SettingsError(f"--set {shown}: write it as section.key=value, such as promote.daily_budget=500.0")
