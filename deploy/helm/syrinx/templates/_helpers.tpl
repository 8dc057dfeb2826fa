{{/* Names, labels, images. */}}

{{- define "syrinx.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "syrinx.selectorLabels" -}}
app.kubernetes.io/name: {{ default .ctx.Chart.Name .ctx.Values.nameOverride | trunc 40 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .ctx.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "syrinx.labels" -}}
{{ include "syrinx.selectorLabels" . }}
app.kubernetes.io/version: {{ .ctx.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: syrinx
app.kubernetes.io/managed-by: {{ .ctx.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .ctx.Chart.Name .ctx.Chart.Version | replace "+" "_" }}
{{- with .ctx.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "syrinx.metadata" -}}
name: {{ include "syrinx.fullname" .ctx }}-{{ .name | default .component }}
namespace: {{ .ctx.Release.Namespace }}
labels:
  {{- include "syrinx.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes {ctx, image}. Images without a tag are Syrinx's own. */}}
{{- define "syrinx.image" -}}
{{- $image := .image -}}
{{- $tag := default .ctx.Chart.AppVersion $image.tag -}}
{{- with $image.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end -}}

{{- define "syrinx.serviceAccount" -}}
{{- default (ternary (include "syrinx.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "syrinx.host" -}}
{{- (urlParse .Values.portal.publicUrl).host | splitList ":" | first -}}
{{- end -}}

{{/* Takes {ctx, component}: the name inside the cluster of a component's Service. */}}
{{- define "syrinx.dns" -}}
{{ include "syrinx.fullname" .ctx }}-{{ .component }}.{{ .ctx.Release.Namespace }}.svc.{{ .ctx.Values.clusterDomain }}
{{- end -}}

{{- define "syrinx.s3.endpoint" -}}
{{- if eq .Values.s3.mode "bundled" -}}
http://{{ include "syrinx.dns" (dict "ctx" . "component" "minio") }}:9000
{{- else -}}
{{ .Values.s3.external.endpoint }}
{{- end -}}
{{- end -}}

{{/* Takes {name, storage}: a volume claim template. */}}
{{- define "syrinx.claim" -}}
- metadata:
    name: {{ .name }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .storage.size }}
{{- end -}}

{{/* Takes {ctx, component, port}: who may call a bundled server, and that it calls nobody. `anyone` opens it. */}}
{{- define "syrinx.server.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "syrinx.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "syrinx.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{protocol: TCP, port: {{ .port }}}]
      {{- if not .anyone }}
      from:
        {{- include "syrinx.peers" (dict "ctx" .ctx "components" .from) | trim | nindent 8 }}
        {{- with .also }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
  egress: []
{{- end -}}
