from django.urls import path

from web.accounts import views

urlpatterns = [
    path("account/", views.account, name="account"),
    path("account/tokens/<uuid:pk>/revoke/", views.revoke, name="token-revoke"),
]
