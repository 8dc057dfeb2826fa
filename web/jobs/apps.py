from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "web.jobs"
    label = "jobs"

    def ready(self) -> None:
        from web.datasets.signals import dataset_deleting
        from web.jobs.actions import forget_jobs

        dataset_deleting.connect(forget_jobs)
