from django.urls import path

from web.jobs import submit_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/<uuid:pk>/", views.job, name="job"),
    path("jobs/<uuid:pk>/samples/", views.samples, name="job-samples"),
    path("jobs/<uuid:pk>/checkpoints/", views.checkpoints, name="job-checkpoints"),
    path("jobs/<uuid:pk>/<str:verb>/", submit_views.steer, name="job-steer"),
    path("jobs/<uuid:pk>/checkpoints/<int:checkpoint>/", submit_views.export, name="job-export"),
    path("trainings/new/", submit_views.training_new, name="training-new"),
    path("datasets/<uuid:pk>/check/", submit_views.check, name="dataset-check"),
    path("datasets/<uuid:pk>/jobs/", views.dataset_jobs, name="dataset-jobs"),
    path("account/quotas/", views.quotas, name="account-quotas"),
    path("sample/", submit_views.sample, name="sample"),
]
