"""The portal's one settings module; `docs/operations.md` lists the variables."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog
from csp.constants import NONCE, SELF

from web.config.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent.parent

environment = Environment()
SECRET_KEY = environment.secret_key("SYRINX_SECRET_KEY")
SYRINX_PUBLIC_URL = environment.url("SYRINX_PUBLIC_URL", ("http", "https"))
_database = urlsplit(environment.url("SYRINX_DATABASE_URL", ("postgres", "postgresql")))
SYRINX_NATS_URL = environment.url("SYRINX_NATS_URL", ("nats", "tls"))
SYRINX_NATS_CREDS = environment.text("SYRINX_NATS_CREDS", "")
SYRINX_S3_ENDPOINT = environment.url("SYRINX_S3_ENDPOINT", ("http", "https"))
# Empty: browsers get their files through the portal instead of from the store.
SYRINX_S3_PUBLIC_ENDPOINT = environment.url("SYRINX_S3_PUBLIC_ENDPOINT", ("http", "https"), "")
SYRINX_S3_ACCESS_KEY = environment.text("SYRINX_S3_ACCESS_KEY")
SYRINX_S3_SECRET_KEY = environment.text("SYRINX_S3_SECRET_KEY")
SYRINX_S3_BUCKET = environment.text("SYRINX_S3_BUCKET", "syrinx")
SYRINX_S3_REGION = environment.text("SYRINX_S3_REGION", "us-east-1")
SYRINX_GRPC_LISTEN = environment.text("SYRINX_GRPC_LISTEN", "127.0.0.1:50051")
# What the Fleet page tells new hosts: where they reach the agents' door, and NATS as
# `nats://USER:PASSWORD@HOST:PORT` with the agents' own rights.
SYRINX_AGENT_GRPC_TARGET = environment.text("SYRINX_AGENT_GRPC_TARGET", SYRINX_GRPC_LISTEN)
SYRINX_AGENT_NATS_URL = environment.text("SYRINX_AGENT_NATS_URL", "")
SYRINX_GRPC_TLS_CERT = environment.text("SYRINX_GRPC_TLS_CERT", "")
SYRINX_GRPC_TLS_KEY = environment.text("SYRINX_GRPC_TLS_KEY", "")
SYRINX_ALLOWED_HOSTS = environment.text("SYRINX_ALLOWED_HOSTS", "")
SYRINX_LOG = environment.choice("SYRINX_LOG", ("console", "json"), "console")
SYRINX_LOG_LEVEL = environment.choice(
    "SYRINX_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"
)
# Reverse proxies in front of us that add to X-Forwarded-For; 0 believes no such header.
SYRINX_TRUSTED_PROXIES = environment.number("SYRINX_TRUSTED_PROXIES", 0)
# The largest single file and the largest unpacked archive, in bytes.
SYRINX_UPLOAD_BYTES = environment.number("SYRINX_UPLOAD_BYTES", 4 * 2**30)
DEBUG = environment.flag("SYRINX_DEBUG", False)
environment.check()

_public = urlsplit(SYRINX_PUBLIC_URL)
ALLOWED_HOSTS = [
    _public.hostname or "",
    "127.0.0.1",
    "localhost",
    "[::1]",
    *filter(None, SYRINX_ALLOWED_HOSTS.split(",")),
]
CSRF_TRUSTED_ORIGINS = [SYRINX_PUBLIC_URL]
if _public.scheme == "https":
    # TLS ends at a proxy. Elsewhere nobody may claim by a header that there was any.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _public.scheme == "https"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31536000 if _public.scheme == "https" else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "csp",
    "ninja",  # for the files of /api/v1/docs
    "django_htmx",
    "django_prometheus",
    "django_structlog",
    "web.core",
    "web.accounts",
    "web.datasets",
    "web.voices",
    "web.jobs",
    "web.fleet",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "web.core.middleware.RequestReference",
    "web.core.middleware.ApiProblems",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "web.config.urls"
ASGI_APPLICATION = "web.config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own: ours replace allauth's pages.
        "DIRS": [BASE_DIR / "web" / "core" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": unquote(_database.hostname or ""),
        "PORT": _database.port or 5432,
        "NAME": unquote(_database.path.lstrip("/")),
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        # A pool in the process: 139 → 362 requests/s, measured on 2 cores.
        "CONN_MAX_AGE": 0,
        # A pooled connection that a restart of Postgres cut is replaced, not handed out.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **dict(parse_qsl(_database.query)),  # such as sslmode
            "connect_timeout": 5,
            "pool": {"min_size": 1, "max_size": 16, "timeout": 10},
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "web.accounts.adapter.ClosedSignup"
# Besides 10 failures a minute from one address: five in five minutes lock one name for a while.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/300s/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = SYRINX_TRUSTED_PROXIES
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "web" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Serves straight from the source folders where `collectstatic` was not run.
SERVESTATIC_USE_FINDERS = not STATIC_ROOT.is_dir()

# Uploads are streamed to a temporary file, never held whole in memory.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 10_000
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "media-src": [SELF, "blob:", *filter(None, [SYRINX_S3_PUBLIC_ENDPOINT])],
        "connect-src": [SELF, *filter(None, [SYRINX_S3_PUBLIC_ENDPOINT])],
        "worker-src": [SELF, "blob:"],
        "frame-ancestors": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF],
    }
}

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}
}

# `RequestReference` has checked or made it.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
_renderer: structlog.types.Processor = (
    structlog.processors.JSONRenderer()
    if SYRINX_LOG == "json"
    # The other formatters show the variables of each frame, and tokens among them.
    else structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
)
_shared: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": _renderer,
            "foreign_pre_chain": [*_shared, structlog.processors.format_exc_info],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["console"], "level": SYRINX_LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # A reader who leaves a live page cancels its stream: no news.
        "django_structlog": {"level": "ERROR"},
    },
}
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
