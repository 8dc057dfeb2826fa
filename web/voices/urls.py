from django.urls import path

from web.voices import views

urlpatterns = [
    path("voices/", views.voices, name="voices"),
    path("voices/<uuid:pk>/", views.voice, name="voice"),
    path("voices/<uuid:pk>/rename/", views.rename, name="voice-rename"),
    path("voices/<uuid:pk>/delete/", views.delete, name="voice-delete"),
    path("base-voices/", views.base_voices, name="base-voices"),
    path("base-voices/<uuid:pk>/delete/", views.delete_base, name="base-voice-delete"),
]
