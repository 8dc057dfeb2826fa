from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "web.jobs"
    label = "jobs"

    def ready(self) -> None:
        from web.datasets.signals import dataset_deleting
        from web.jobs.deletion import forget_imports, forget_jobs
        from web.voices.signals import base_voice_deleting

        dataset_deleting.connect(forget_jobs)
        base_voice_deleting.connect(forget_imports)
