from django.urls import path

from web.datasets import views

urlpatterns = [
    path("datasets/", views.datasets, name="datasets"),
    path("datasets/<uuid:pk>/", views.dataset, name="dataset"),
    path("datasets/<uuid:pk>/review/", views.review, name="dataset-review"),
    path("datasets/<uuid:pk>/files/", views.files, name="dataset-files"),
    path("datasets/<uuid:pk>/files/<uuid:file>/delete/", views.delete_file, name="file-delete"),
    path("datasets/<uuid:pk>/delete/", views.delete, name="dataset-delete"),
]
