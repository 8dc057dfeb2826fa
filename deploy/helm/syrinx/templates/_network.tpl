{{/* Rules for network policies. Each part reaches only what it needs; the kubelet's probes are always let in. */}}

{{/* Takes {ctx, components}: the pods of some components. */}}
{{- define "syrinx.peers" -}}
{{- range .components }}
- podSelector:
    matchLabels:
      {{- include "syrinx.selectorLabels" (dict "ctx" $.ctx "component" .) | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "syrinx.egress.dns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Takes {ctx, to: some of postgres nats s3}. An external server may be anywhere: only its port is known. */}}
{{- define "syrinx.egress.servers" -}}
{{- $bundled := dict "postgres" (list "postgres" 5432) "nats" (list "nats" 4222) "s3" (list "minio" 9000) }}
{{- range .to }}
{{- $values := index $.ctx.Values . }}
{{- if eq $values.mode "bundled" }}
{{- $server := index $bundled . }}
- to:
    {{- include "syrinx.peers" (dict "ctx" $.ctx "components" (list (first $server))) | trim | nindent 4 }}
  ports: [{protocol: TCP, port: {{ last $server }}}]
{{- else }}
- ports: [{protocol: TCP, port: {{ $values.external.port }}}]
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes {ctx, component, to}: the whole policy of a portal process that nobody calls or that `ingress` describes. */}}
{{- define "syrinx.portal.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "syrinx.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "syrinx.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{ if .ingress }}{{ .ingress | nindent 4 }}{{ else }}[]{{ end }}
  egress:
    {{- include "syrinx.egress.dns" . | nindent 4 }}
    {{- include "syrinx.egress.servers" . | trim | nindent 4 }}
    {{- with .ctx.Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
