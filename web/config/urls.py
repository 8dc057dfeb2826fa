from django.contrib import admin
from django.urls import include, path

from web.config.api import api

urlpatterns = [
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
]
