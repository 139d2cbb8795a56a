"""PostgreSQL and MariaDB for tests: real servers on loopback, each in a folder of its own, gone at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

USER = "canary_reader_7f3a"
PASSWORD = "canary-password-51c9"  # what must not be seen anywhere


@dataclass(frozen=True)
class Server:
    """A running database: how JDBC reaches it, and how a test gives it SQL."""

    kind: str
    url: str
    execute: Callable[[str], None]


@contextmanager
def postgresql() -> Iterator[Server]:
    initdb, postgres, psql = commands("postgresql", "initdb", "postgres", "psql")
    with server_folder() as folder:
        port = free_port()
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        as_server(
            initdb,
            "-D",
            f"{folder}/data",
            "-U",
            USER,
            "--auth=scram-sha-256",
            f"--pwfile={folder}/password",
            "-E",
            "UTF8",
            "--no-sync",
        )
        # Its own zone is far from UTC: instants must not depend on it.
        serving = [
            postgres,
            "-D",
            f"{folder}/data",
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            str(folder),
            "-c",
            "fsync=off",
            "-c",
            "timezone=Asia/Shanghai",
        ]
        client = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-q"]

        def execute(sql: str) -> None:
            run([*client, "-c", sql], PGPASSWORD=PASSWORD)

        with served(serving, folder / "log", lambda: execute("SELECT 1")):
            yield Server("postgresql", f"jdbc:postgresql://127.0.0.1:{port}/postgres", execute)


@contextmanager
def mariadb() -> Iterator[Server]:
    install, server, client = commands("mariadb-server", "mariadb-install-db", "mariadbd", "mariadb")
    with server_folder() as folder:
        port = free_port()
        socket_file = f"{folder}/s"
        as_server(
            install,
            "--no-defaults",
            f"--datadir={folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        serving = [
            server,
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--port={port}",
            f"--socket={socket_file}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--default-time-zone=+08:00",
            f"--pid-file={folder}/pid",
            "--innodb-flush-log-at-trx-commit=0",
        ]

        def execute(sql: str) -> None:
            run([client, "--no-defaults", f"--socket={socket_file}", "-u", "root", "-e", sql])

        with served(serving, folder / "log", lambda: execute("SELECT 1")):
            execute(
                f"CREATE DATABASE shop; CREATE USER {USER} IDENTIFIED BY '{PASSWORD}'; "
                f"GRANT SELECT ON shop.* TO {USER};"
            )
            yield Server("mysql", f"jdbc:mysql://127.0.0.1:{port}/shop", lambda sql: execute(f"USE shop; {sql}"))


def commands(package: str, *names: str) -> list[str]:
    """Paths of a Debian package's commands; installed where they are missing and this user may, else the test fails."""
    if any(shutil.which(name, path=_path()) is None for name in names):
        apt = shutil.which("apt-get")
        if apt is None or os.geteuid() != 0:
            pytest.fail(f"{package} is needed on this machine: sudo apt-get install {package}")
        run([apt, "-q", "update"])
        run([apt, "-q", "install", "-y", "--no-install-recommends", package], DEBIAN_FRONTEND="noninteractive")
    found = [shutil.which(name, path=_path()) for name in names]
    assert None not in found, f"{package} is installed, but does not have all of {', '.join(names)}"
    return [command for command in found if command is not None]


def _path() -> str:
    postgresql = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return os.pathsep.join([*postgresql, "/usr/sbin", "/usr/bin", "/usr/local/bin"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that belongs to who the server runs as; its path is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="db", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def served(command: list[str], log: Path, answers: Callable[[], None]) -> Iterator[None]:
    """The server while it runs, from its first answer on."""
    with log.open("wb") as told:
        process = subprocess.Popen(unprivileged(command), stdout=told, stderr=told, cwd="/")
    try:
        until = time.monotonic() + 60
        while True:
            try:
                answers()
                break
            except AssertionError:
                if process.poll() is not None or time.monotonic() > until:
                    process.kill()
                    pytest.fail(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def as_server(*command: str) -> None:
    run(unprivileged(list(command)))


def unprivileged(command: list[str]) -> list[str]:
    """The servers refuse to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


def run(command: list[str], **environ: str) -> None:
    ran = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False, cwd="/")
    assert ran.returncode == 0, f"{command[0]}: {ran.stdout[-1000:]}{ran.stderr[-2000:]}"
