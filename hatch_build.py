"""Compiles the Protobuf contract into Python when the package is built or installed for development."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTOCOL = Path("src/hubbub/protocol")


class ProtobufHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        import grpc_tools
        from grpc_tools import protoc

        folder = Path(self.root) / PROTOCOL
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        failed = protoc.main(
            [
                "protoc",
                f"-I{folder}",
                f"-I{well_known}",
                f"--python_out={folder}",
                f"--pyi_out={folder}",
                "websocket.proto",
            ]
        )
        if failed:
            sys.exit("websocket.proto does not compile")
