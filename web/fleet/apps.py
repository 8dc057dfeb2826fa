from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "web.fleet"
    label = "fleet"
