from django.apps import AppConfig


class VoicesConfig(AppConfig):
    name = "web.voices"
    label = "voices"
