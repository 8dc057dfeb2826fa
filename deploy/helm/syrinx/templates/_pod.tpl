{{/* What every pod has in common: no root, no writable image, no rights in the cluster. */}}

{{/* Takes {ctx, userId}. */}}
{{- define "syrinx.pod" -}}
serviceAccountName: {{ include "syrinx.serviceAccount" .ctx }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .ctx.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .userId }}
  runAsGroup: {{ .userId }}
  fsGroup: {{ .userId }}
  # A large volume is not walked through at every start.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "syrinx.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Takes {ctx, component, values}: where the pods go. */}}
{{- define "syrinx.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    {{- if not .labelSelector }}
    labelSelector:
      matchLabels:
        {{- include "syrinx.selectorLabels" $ | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Takes {ctx, component, values}: labels and annotations of a portal pod, which restarts when its settings change. */}}
{{- define "syrinx.portal.podMetadata" -}}
labels:
  {{- include "syrinx.labels" . | nindent 2 }}
annotations:
  checksum/settings: {{ list .ctx.Values.portal .ctx.Values.postgres.external .ctx.Values.nats.external .ctx.Values.s3.external .ctx.Values.secrets | toJson | sha256sum }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Image, settings and mounts of every container that runs the portal's image. Takes {ctx, component}. */}}
{{- define "syrinx.portal.container" -}}
image: {{ include "syrinx.image" (dict "ctx" .ctx "image" .ctx.Values.portal.image) }}
imagePullPolicy: {{ .ctx.Values.portal.image.pullPolicy }}
env:
  {{- include "syrinx.portal.env" . | nindent 2 }}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/syrinx, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if eq .component "grpc" }}
  {{- if ne .ctx.Values.grpc.tls.source "off" }}
  - {name: tls, mountPath: /run/secrets/tls, readOnly: true}
  {{- end }}
  {{- end }}
  {{- if .ctx.Values.trustBundle.configMap }}
  - {name: trust, mountPath: /run/trust, readOnly: true}
  {{- end }}
{{ include "syrinx.container.security" . }}
{{- end -}}

{{/* Takes {ctx, component, tmpSize?}. */}}
{{- define "syrinx.portal.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "syrinx.portal.secretSources" .ctx | trim | nindent 6 }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .tmpSize | default "1Gi" }}
{{- if eq .component "grpc" }}
{{- if ne .ctx.Values.grpc.tls.source "off" }}
- name: tls
  secret:
    secretName: {{ include "syrinx.grpc.tlsSecret" .ctx }}
    defaultMode: 0440
    # Not the authority's key, which lies beside them.
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- end }}
{{ include "syrinx.trust.volume" .ctx | trim }}
{{- end -}}

{{/* Holds a pod back until the schema is the one that its code expects. Takes {ctx, component}. */}}
{{- define "syrinx.portal.waitForMigrations" -}}
- name: wait-for-migrations
  {{- include "syrinx.portal.container" . | nindent 2 }}
  command: [sh, -c]
  args:
    - |
      until said=$(python manage.py migrate --check 2>&1); do
        echo "Waiting for the migrations Job: $(echo "$said" | tail -n 1)"
        sleep 3
      done
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 512Mi}
{{- end -}}
