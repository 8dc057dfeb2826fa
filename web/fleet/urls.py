from django.urls import path

from web.fleet import views

urlpatterns = [
    path("fleet/", views.fleet, name="fleet"),
    path("fleet/new/", views.new_agent, name="agent-new"),
    path("fleet/<uuid:pk>/<str:verb>/", views.steer_agent, name="agent-steer"),
    path("queue/<uuid:pk>/move/", views.move, name="queue-move"),
]
