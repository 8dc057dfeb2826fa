"""The settings where nothing is served: for mypy and for `makemigrations --check`.

Neither opens a connection, so what must be set in a deployment is made up here.
"""

import os

for name, value in {
    "SYRINX_SECRET_KEY": "only-for-tools, which serve nothing",
    "SYRINX_PUBLIC_URL": "http://127.0.0.1:8000",
    "SYRINX_DATABASE_URL": "postgres://tools:tools@127.0.0.1:1/tools",
    "SYRINX_NATS_URL": "nats://127.0.0.1:1",
    "SYRINX_S3_ENDPOINT": "http://127.0.0.1:1",
    "SYRINX_S3_ACCESS_KEY": "tools",
    "SYRINX_S3_SECRET_KEY": "tools",
}.items():
    if f"{name}_FILE" not in os.environ:
        os.environ.setdefault(name, value)

from web.config.settings import *  # noqa: E402, F403

DATABASES = {"default": {"ENGINE": "django.db.backends.dummy"}}
