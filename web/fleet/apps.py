from django.apps import AppConfig


class FleetConfig(AppConfig):
    name = "web.fleet"
    label = "fleet"

    def ready(self) -> None:
        from web.fleet.page_queries import hosts_for_jobs
        from web.jobs import hosts

        hosts.provide(hosts_for_jobs)
