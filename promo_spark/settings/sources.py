"""How the rows of a source are had, and what its columns become."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from promo_spark.settings.dated_paths import checked_path
from promo_spark.settings.sections import (
    Delimiter,
    Encoding,
    Location,
    OwnTimeZone,
    Positive,
    SecretReference,
    Section,
    TimePattern,
)

FILE_FORMATS = ("csv", "json", "parquet", "orc")
READ_BY_FILE = (*FILE_FORMATS, "delta")  # what read = "new" is for


def address_alone(url: str) -> str:
    """Refuses a url that names a user or a password: Spark and the drivers print urls."""
    if not re.match(r"jdbc:(postgresql|mysql)://", url):
        raise ValueError("write it as jdbc:postgresql://HOST:PORT/DATABASE or jdbc:mysql://HOST:PORT/DATABASE")
    address, _, parameters = url.partition("?")
    named = [p.partition("=")[0].lower() for p in parameters.split("&")]
    if "@" in address or "(" in address or any(n == "user" or "passw" in n for n in named):
        raise ValueError("no user and no password in a url: give them as user_secret and password_secret")
    return url


DatabaseAddress = Annotated[str, AfterValidator(address_alone)]


class ConnectionSettings(Section):
    """A database that sources are read from; who reads it is said by reference only."""

    url: DatabaseAddress
    user_secret: SecretReference
    password_secret: SecretReference
    fetch_rows: Positive = 10_000

    @property
    def database(self) -> Literal["postgresql", "mysql"]:
        """Which kind of database: the key of its driver in spark.drivers."""
        return "mysql" if self.url.startswith("jdbc:mysql:") else "postgresql"


class Extraction(Section):
    """How the rows of a source are had: from files, a table in a database, or a Delta table's change feed."""

    path: Annotated[str, AfterValidator(checked_path), Location()] = ""
    format: Literal["csv", "json", "parquet", "orc", "delta", "delta_changes", "jdbc"]
    delivery: Literal["whole_days", "rows"] = "whole_days"
    deletes: Literal["apply", "keep"] = "apply"
    read: Literal["", "new", "all"] = ""  # of files: which a run reads; "": new of folders with facts, else all
    vanished: Literal["", "keep", "remove"] = ""  # with read = "new": rows of files that are gone; "": of delta they go
    connection: str = ""
    db_table: Annotated[str, Field(pattern=r"^([^\W\d][\w$]*(\.[^\W\d][\w$]*)?)?$")] = ""
    db_where: list[Annotated[list[str | int], Field(min_length=3, max_length=3)]] = Field(default_factory=list)
    partition_column: Annotated[str, Field(pattern=r"^([^\W\d][\w$]*)?$")] = ""
    partitions: Annotated[int, Field(gt=0, le=1000)] = 1
    lower_bound: str = ""
    upper_bound: str = ""
    watermark_column: Annotated[str, Field(pattern=r"^([^\W\d][\w$]*)?$")] = ""  # rises with what is new or changed
    overlap: Annotated[str, Field(pattern=r"^(\d{1,12}|\d{1,6} (minute|hour|day)s?)?$")] = ""  # read again before it

    @model_validator(mode="after")
    def _complete(self) -> Extraction:
        """Refuses what does not go together, in one sentence."""
        of_database = {
            "connection": self.connection,
            "db_table": self.db_table,
            "db_where": self.db_where,
            "partition_column": self.partition_column,
            "lower_bound": self.lower_bound,
            "upper_bound": self.upper_bound,
            "watermark_column": self.watermark_column,
            "overlap": self.overlap,
        }
        if self.format == "jdbc":
            if self.read:
                raise ValueError("read is for sources of files, not for tables of a database")
            needed = [k for k in ("connection", "db_table") if not of_database[k]] + ["no path"] * bool(self.path)
            if needed:
                raise ValueError(f'format = "jdbc" needs {" and ".join(needed)}')
            if (self.partitions > 1) != bool(self.partition_column):
                raise ValueError("partitions (2 or more) and partition_column go together")
            if self.overlap and not self.watermark_column:
                raise ValueError("overlap needs a watermark_column")
            if bool(self.lower_bound) != bool(self.upper_bound) or (self.lower_bound and not self.partition_column):
                raise ValueError("lower_bound and upper_bound go together, with partition_column; or leave both out")
        elif self.read == "new" and (self.format not in READ_BY_FILE or self.by_rows):
            raise ValueError(
                f'read = "new" is for files that are delivered by whole days, in format {", ".join(READ_BY_FILE)}'
            )
        elif not self.path:
            raise ValueError(f'format = "{self.format}" needs a path')
        elif any(of_database.values()) or self.partitions > 1:
            given = next((k for k, v in of_database.items() if v), "partitions")
            raise ValueError(f'{given} is for format = "jdbc" only')
        return self

    @property
    def by_rows(self) -> bool:
        """Whether a delivery holds single rows, merged by their key, and not all rows of its days."""
        return self.delivery == "rows" or self.format == "delta_changes" or bool(self.watermark_column)


class Condition(Section):
    """What must hold of a row: one of their columns, an operator, a literal; written as a list of the three.

    A number compares as a number, a text as a text; `in` takes a list, `is not null` nothing.
    """

    column: str
    operator: Literal["=", "!=", ">", ">=", "<", "<=", "in", "starts with", "is not null"]
    literal: str | int | float | list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_triple(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if len(value) not in (2, 3):
            raise ValueError('write a condition as ["column", "operator", literal]')
        return dict(zip(("column", "operator", "literal"), value, strict=False))

    @model_validator(mode="after")
    def _literal_fits(self) -> Condition:
        if (self.literal is None) != (self.operator == "is not null"):
            raise ValueError("every operator but 'is not null' needs a literal, and that one takes none")
        if isinstance(self.literal, list) != (self.operator == "in"):
            raise ValueError("the operator 'in', and only this one, takes a list")
        return self


class ColumnMapping(Section):
    """How one of our columns is read: where the value comes from, and what is done to it, in this order.

    A plain text stands for { column = "theirs" }. The value comes from exactly one of `column`, `constant`,
    `first_of`, `concat` and `product_of`.
    """

    column: str | None = None  # their column
    constant: str | None = None  # the same for every row
    first_of: list[str] | None = None  # the first of their columns that has a value
    concat: list[str] | None = None  # their columns joined by `separator`; none where one of them has no value
    separator: str = "-"
    product_of: list[str] | None = None  # their columns multiplied, such as pieces and price

    map: dict[str, str] | None = None  # their value to ours; "" means no value
    otherwise: str | None = None  # what a value outside `map` becomes; without it, it stays
    default: str | None = None  # what stands in the place of a value that is not there, written as theirs
    whole_number: bool = False  # 13085.0 is the id 13085
    decimal_comma: bool = False  # 1.234,50 is 1234.50
    thousands: Literal[",", ".", "'", " "] | None = None  # 1,234.50 is 1234.50, and so with another sign between
    unit: Literal["s", "ms"] | None = None  # time as a number: seconds or milliseconds since 1970, UTC
    format: TimePattern | None = None  # of a date or time, as Spark writes patterns
    scale: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None  # the number is multiplied by this
    split: Annotated[str, Field(min_length=1, max_length=8)] | None = None  # between the items of a list; None: a comma
    negative_when: Condition | None = None  # rows whose number counts as negative, such as cancellations

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @field_validator("default", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if number else value

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        origins = ("column", "constant", "first_of", "concat", "product_of")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of {', '.join(origins)}, not {' and '.join(given) or 'none'}")
        if self.otherwise is not None and self.map is None:
            raise ValueError("`otherwise` needs a `map`")
        if self.thousands == ("," if self.decimal_comma else "."):
            raise ValueError(f"`thousands` and the decimal mark are both {self.thousands}")
        return self

    def sources(self) -> list[str]:
        """The columns of the source that the value is made of."""
        named = [self.column] if self.column is not None else []
        named += [c for group in (self.first_of, self.concat, self.product_of) for c in group or ()]
        return named + ([self.negative_when.column] if self.negative_when else [])


class LookupSettings(Section):
    """A second file that completes the rows: joined by `keys`, of which each should stand there once.

    `keys` maps a column of the row to the key's name in the second file, `columns` a new name to the
    second file's column.
    """

    path: Annotated[str, AfterValidator(checked_path), Location()]
    format: Literal["csv", "json", "parquet", "delta"] = "csv"
    delimiter: Delimiter = ","
    encoding: Encoding = "UTF-8"
    keys: Annotated[dict[str, str], Field(min_length=1)]
    columns: Annotated[dict[str, str], Field(min_length=1)]


class UnpivotSettings(Section):
    """Wide to long: one row per row and column whose name starts with `prefix`, or is none of `except_columns`."""

    prefix: str = ""
    except_columns: list[str] = Field(default_factory=list)
    name: str  # the new column that holds the old column's name
    value: str  # the new column that holds its value

    @model_validator(mode="after")
    def _one_choice(self) -> UnpivotSettings:
        if bool(self.prefix) == bool(self.except_columns):
            raise ValueError("say which columns become rows: by `prefix`, or all but `except_columns`")
        return self


class SourceSettings(Extraction):
    """One source of one silver table: how its rows are had, and which column becomes which."""

    table: str = ""  # the silver table; "": the one of the source's name
    delimiter: Delimiter = ","
    encoding: Encoding = "UTF-8"
    columns: Annotated[dict[str, ColumnMapping], Field(min_length=1)]
    timestamp_format: TimePattern = "yyyy-MM-dd[['T'][' ']HH:mm:ss[.SSSSSS][XXX]]"
    date_format: TimePattern = "yyyy-MM-dd"
    timezone: OwnTimeZone = ""  # of times that name none; "": business.timezone
    where: list[Condition] = Field(default_factory=list)
    unpivot: UnpivotSettings | None = None
    lookups: list[LookupSettings] = Field(default_factory=list)
    distinct: bool = False  # one row per key of the table, with the value that most rows have
    latest_by: str = ""  # with distinct: the values of the row with the largest such column
    equal_rows: Literal["duplicates", "pieces"] = "duplicates"  # what equal lines of an order are
    discount_lines: Condition | None = None  # of order lines: rows that are no sale but a discount on their order
