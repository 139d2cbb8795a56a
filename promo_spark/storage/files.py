"""Files by Hadoop's own file systems: the same calls for a folder of this machine, HDFS and object stores."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.storage.jvm import JvmError, exception_class, hadoop_configuration, java_array, jvm

_WHOLE_AT_CLOSE = {"s3a", "s3", "gs"}  # file systems of which a file can be seen once it is closed, and not before


@dataclass(frozen=True)
class FileStatus:
    """A file: its path, size in bytes, and modification time in milliseconds, by the clock of its file system."""

    path: str
    size: int
    modified: int


class Files:
    """What can be done with files at a path of any file system that Spark reaches."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark, self._jvm = spark, jvm(spark)
        self._path = self._jvm.org.apache.hadoop.fs.Path  # found once: a folder may have thousands of files
        self._digests = self._jvm.org.apache.commons.codec.digest.DigestUtils
        self._conf = hadoop_configuration(spark)

    def exists(self, path: str) -> bool:
        file_system, there = self._of(path)
        return bool(file_system.exists(there))

    def matches(self, pattern: str) -> bool:
        """Whether there is anything that a path, or a pattern, names."""
        file_system, there = self._of(pattern)
        return bool(file_system.globStatus(there))

    def names(self, folder: str) -> list[str]:
        """The names of what lies in a folder; none where there is no folder."""
        file_system, there = self._of(folder)
        if not file_system.exists(there):
            return []
        return [status.getPath().getName() for status in file_system.listStatus(there)]

    def below(self, folder: str) -> Iterator[FileStatus]:
        """All files of a folder and its folders."""
        file_system, there = self._of(folder)
        if not file_system.exists(there):
            return
        found = file_system.listFiles(there, True)
        while found.hasNext():
            status = found.next()
            yield FileStatus(str(status.getPath().toString()), int(status.getLen()), int(status.getModificationTime()))

    def uri(self, path: str) -> str:
        """The path as the rows of Spark's files name it: with %20 for a blank."""
        uri = str(self._path(path).toUri().toString())
        return re.sub("^file:///", "file:/", uri)

    def text(self, path: str) -> str:
        file_system, there = self._of(path)
        stream = file_system.open(there)
        try:
            return bytes(stream.readAllBytes()).decode("utf-8", "replace")
        finally:
            stream.close()

    def beginning(self, path: str, most: int) -> bytes:
        """The first bytes of a file, at most so many."""
        file_system, there = self._of(path)
        stream = file_system.open(there)
        try:
            return bytes(stream.readNBytes(most))
        finally:
            stream.close()

    def write(self, path: str, text: str) -> None:
        self._write(path, text, overwrite=True)

    def create(self, path: str, text: str) -> bool:
        """Writes a file that is not there yet; whether it was not. Of two that do it at a time one does."""
        try:
            self._write(path, text, overwrite=False)
        except JvmError as error:
            if "Exist" not in exception_class(error):
                raise
            return False
        return True

    def modified(self, path: str) -> int:
        file_system, there = self._of(path)
        return int(file_system.getFileStatus(there).getModificationTime())

    def delete(self, path: str) -> None:
        file_system, there = self._of(path)
        file_system.delete(there, False)

    def delete_folder(self, path: str) -> None:
        """Deletes a folder with all in it, if it is there."""
        file_system, there = self._of(path)
        file_system.delete(there, True)

    def size(self, path: str) -> int:
        file_system, there = self._of(path)
        return int(file_system.getFileStatus(there).getLen())

    def sha256(self, path: str) -> str:
        """SHA-256 of a file of any size, in hex: it is read where Spark's driver runs, and not by Python."""
        file_system, there = self._of(path)
        stream = file_system.open(there)
        try:
            return str(self._digests.sha256Hex(stream))
        finally:
            stream.close()

    def rename(self, path: str, new: str) -> None:
        """Gives a file another name, in place of one that has it. Raises FileNotFoundError where that failed."""
        file_system, there = self._of(path)
        if file_system.getScheme() == "file":
            file_system = file_system.getRawFileSystem()  # else a checksum would stand beside each file
        target = self._path(new)
        file_system.delete(target, False)
        if not file_system.rename(there, target):
            raise FileNotFoundError(f"{path} cannot be renamed to {new}")

    def put(self, path: str, text: str) -> None:
        """Writes a file so that whoever reads it finds the old one or the new one, and never a half."""
        file_system, there = self._of(path)
        scheme = str(file_system.getScheme())
        if scheme in _WHOLE_AT_CLOSE:
            self._write(path, text, overwrite=True)
        elif scheme == "file":
            _put_here(Path(str(there.toUri().getPath())), text)
        else:
            self._write(f"{path}.part", text, overwrite=True)
            self._replace(f"{path}.part", path)

    def _replace(self, path: str, new: str) -> None:
        """Renames a file over another in one step, which a file system's own rename does not do."""
        file_system, there = self._of(path)
        fs = self._jvm.org.apache.hadoop.fs
        context = fs.FileContext.getFileContext(file_system.getUri(), self._conf)
        overwrite = java_array(self._spark, getattr(fs, "Options$Rename"), [getattr(fs, "Options$Rename").OVERWRITE])
        context.rename(there, self._path(new), overwrite)

    def move_aside(self, path: str) -> None:
        """Renames a file to one that nobody reads, if it is there."""
        file_system, there = self._of(path)
        if file_system.exists(there):
            file_system.rename(there, self._path(f"{path}.damaged"))

    def _write(self, path: str, text: str, overwrite: bool) -> None:
        file_system, there = self._of(path)
        stream = file_system.create(there, overwrite)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()

    def _of(self, path: str) -> tuple[Any, Any]:
        there = self._path(path)
        return there.getFileSystem(self._conf), there


def _put_here(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
        part.write(text)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)
