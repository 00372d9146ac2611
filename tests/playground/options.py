"""The command line and the environment of a service process."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENV_OTLP_TOKEN = "PLAYGROUND_OTLP_TOKEN"
ENV_CONTROL_TOKEN = "PLAYGROUND_CONTROL_TOKEN"
ENV_PARENT = "PLAYGROUND_PARENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one instance is to run. Upstreams are instance name to host:port, in the order of the turns."""

    service: str
    instance: str
    port: int
    control_port: int
    directory: Path
    otlp_url: str
    version: str
    revision: int
    upstreams: Mapping[str, str]
    otlp_token: str
    control_token: str
    parent_pid: int

    @property
    def database(self) -> Path:
        """The shop's database."""
        return self.directory / "shop.db"

    def arguments(self) -> list[str]:
        """The command line that `parse` reads back; tokens are not on it."""
        line = ["--service", self.service, "--instance", self.instance]
        line += ["--port", str(self.port), "--control-port", str(self.control_port)]
        line += ["--dir", str(self.directory), "--otlp", self.otlp_url]
        line += ["--version", self.version, "--revision", str(self.revision)]
        for name, address in self.upstreams.items():
            line += ["--upstream", f"{name}={address}"]
        return line

    def environment(self) -> dict[str, str]:
        """The variables that `parse` reads back."""
        return {
            ENV_OTLP_TOKEN: self.otlp_token,
            ENV_CONTROL_TOKEN: self.control_token,
            ENV_PARENT: str(self.parent_pid),
        }


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the options of this process."""
    parser = argparse.ArgumentParser(description="One instance of a playground service.")
    parser.add_argument("--service", required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--otlp", default="", help="base URL for spans; empty for none")
    parser.add_argument("--version", default="1")
    parser.add_argument("--revision", type=int, default=41)
    parser.add_argument("--upstream", action="append", default=[], help="instance=host:port, repeatable")
    given = parser.parse_args(arguments)
    return Options(
        service=given.service,
        instance=given.instance,
        port=given.port,
        control_port=given.control_port,
        directory=given.dir,
        otlp_url=given.otlp,
        version=given.version,
        revision=given.revision,
        upstreams=dict(item.split("=", 1) for item in given.upstream),
        otlp_token=os.environ.get(ENV_OTLP_TOKEN, ""),
        control_token=os.environ.get(ENV_CONTROL_TOKEN, ""),
        parent_pid=int(os.environ.get(ENV_PARENT, os.getppid())),
    )
