"""Postgres, NATS and S3 together, as `manage.py up` and the tests start them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from web.core.embedded.nats import Nats
from web.core.embedded.ports import Ports
from web.core.embedded.postgres import Postgres
from web.core.embedded.process import Service
from web.core.embedded.s3 import ACCESS_KEY, BUCKET, S3
from web.core.embedded.secret_files import SecretFiles


@dataclass(frozen=True)
class Servers:
    postgres: Postgres
    nats: Nats
    s3: S3

    @classmethod
    def in_folder(
        cls, folder: Path, ports: Ports, secrets: SecretFiles, *, durable: bool = True
    ) -> Servers:
        return cls(
            Postgres(
                folder / "postgres", ports.get("postgres"), secrets.get("postgres"), durable=durable
            ),
            Nats(
                folder / "nats",
                ports.get("nats"),
                secrets.get("nats-portal"),
                secrets.get("nats-agent"),
                durable=durable,
            ),
            S3.on(folder / "s3", ports, secrets.get("s3")),
        )

    def services(self) -> list[Service]:
        return [self.postgres.service(), self.nats.service(), self.s3.service()]

    def settings(self) -> dict[str, str]:
        """The settings of the portal that name these servers."""
        return {
            "SYRINX_DATABASE_URL": self.postgres.url,
            "SYRINX_NATS_URL": self.nats.url,
            "SYRINX_S3_ENDPOINT": self.s3.endpoint,
            "SYRINX_S3_ACCESS_KEY": ACCESS_KEY,
            "SYRINX_S3_SECRET_KEY": self.s3.secret_key,
            "SYRINX_S3_BUCKET": BUCKET,
        }
