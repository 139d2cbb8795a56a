"""Files by Hadoop's own file systems: the same calls for a folder of this machine, HDFS and object stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.storage.jvm import JvmError, exception_class, hadoop_configuration, jvm


@dataclass(frozen=True)
class FileStatus:
    """A file: its path, size in bytes, and modification time in milliseconds, by the clock of its file system."""

    path: str
    size: int
    modified: int


class Files:
    """What can be done with files at a path of any file system that Spark reaches."""

    def __init__(self, spark: SparkSession) -> None:
        self._path = jvm(spark).org.apache.hadoop.fs.Path  # found once: a folder may have thousands of files
        self._conf = hadoop_configuration(spark)

    def exists(self, path: str) -> bool:
        file_system, there = self._of(path)
        return bool(file_system.exists(there))

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
        return str(self._path(path).toUri().toString())

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
