from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from web.config import health
from web.config.api import api
from web.config.metrics import metrics

# Through our own page, which limits how often one may try.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    # Browsers ask for it where a page of Django's or ninja's names no icon.
    path("favicon.ico", RedirectView.as_view(url=static("img/icon.svg"), permanent=True)),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics),
    path("api/v1/healthz", health.healthz),
    path("api/v1/readyz", health.readyz),
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("", include("web.accounts.urls")),
    path("", include("web.datasets.urls")),
    path("", include("web.voices.urls")),
    path("", include("web.jobs.urls")),
    path("", include("web.fleet.urls")),
]

handler500 = "web.core.pages.server_error"
