{{/* Settings and where their secrets come from. Names as in web/config/settings.py and gpu_agent/settings.py. */}}

{{/* The release's own Secret, or the one that replaces it. */}}
{{- define "syrinx.secret" -}}
{{- default (include "syrinx.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "syrinx.portal.env" -}}
- {name: SYRINX_SECRET_KEY_FILE, value: /run/secrets/syrinx/secret-key}
- {name: SYRINX_DATABASE_URL_FILE, value: /run/secrets/syrinx/database-url}
- {name: SYRINX_NATS_URL_FILE, value: /run/secrets/syrinx/nats-url}
{{- if .ctx.Values.nats.external.credsSecret.name }}
- {name: SYRINX_NATS_CREDS_FILE, value: /run/secrets/syrinx/nats-creds}
{{- end }}
- {name: SYRINX_S3_ACCESS_KEY_FILE, value: /run/secrets/syrinx/s3-access-key}
- {name: SYRINX_S3_SECRET_KEY_FILE, value: /run/secrets/syrinx/s3-secret-key}
- {name: SYRINX_PUBLIC_URL, value: {{ .ctx.Values.portal.publicUrl | trimSuffix "/" | quote }}}
- {name: SYRINX_S3_ENDPOINT, value: {{ include "syrinx.s3.endpoint" .ctx | quote }}}
{{- with .ctx.Values.s3.publicEndpoint }}
- {name: SYRINX_S3_PUBLIC_ENDPOINT, value: {{ . | trimSuffix "/" | quote }}}
{{- end }}
- {name: SYRINX_S3_BUCKET, value: {{ .ctx.Values.s3.bucket | quote }}}
- {name: SYRINX_LOG, value: json}
- {name: SYRINX_LOG_LEVEL, value: {{ .ctx.Values.portal.logLevel }}}
- {name: SYRINX_UPLOAD_BYTES, value: {{ .ctx.Values.portal.uploadBytes | int64 | quote }}}
{{- if eq .component "web" }}
# Prometheus calls a pod by its address.
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: SYRINX_ALLOWED_HOSTS, value: {{ concat (list "$(POD_IP)" (printf "%s-web" (include "syrinx.fullname" .ctx))) .ctx.Values.portal.allowedHosts | join "," | quote }}}
- {name: SYRINX_AGENT_GRPC_TARGET, value: {{ printf "%s%s:%v" (ternary "grpcs://" "" (ne .ctx.Values.grpc.tls.source "off")) (include "syrinx.dns" (dict "ctx" .ctx "component" "grpc")) .ctx.Values.grpc.port | quote }}}
- {name: SYRINX_TRUSTED_PROXIES, value: {{ .ctx.Values.web.trustedProxies | quote }}}
{{- end }}
{{- if eq .component "grpc" }}
- {name: SYRINX_GRPC_LISTEN, value: {{ printf "0.0.0.0:%v" .ctx.Values.grpc.port | quote }}}
{{- if ne .ctx.Values.grpc.tls.source "off" }}
- {name: SYRINX_GRPC_TLS_CERT_FILE, value: /run/secrets/tls/tls.crt}
- {name: SYRINX_GRPC_TLS_KEY_FILE, value: /run/secrets/tls/tls.key}
{{- end }}
{{- end }}
{{- if .ctx.Values.trustBundle.configMap }}
- {name: SSL_CERT_FILE, value: /run/trust/ca.crt}
{{- end }}
{{- with .ctx.Values.portal.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Only the keys that the portal needs; each may live in a Secret of its own. */}}
{{- define "syrinx.portal.secretSources" -}}
{{- $own := include "syrinx.secret" . -}}
- secret: {name: {{ $own }}, items: [{key: secret-key, path: secret-key}]}
{{- with .Values.postgres }}
{{- $from := ternary .external.urlSecret dict (eq .mode "external") }}
- secret: {name: {{ $from.name | default $own }}, items: [{key: {{ ternary $from.key "database-url" (not (empty $from.name)) }}, path: database-url}]}
{{- end }}
{{- with .Values.nats }}
{{- $from := ternary .external.urlSecret dict (eq .mode "external") }}
- secret: {name: {{ $from.name | default $own }}, items: [{key: {{ ternary $from.key "nats-url" (not (empty $from.name)) }}, path: nats-url}]}
{{- with .external.credsSecret }}
{{- if .name }}
- secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: nats-creds}]}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.s3 }}
{{- $from := ternary .external.keysSecret dict (eq .mode "external") }}
{{- $named := not (empty $from.name) }}
- secret:
    name: {{ $from.name | default $own }}
    items:
      - {key: {{ ternary $from.accessKey "s3-access-key" $named }}, path: s3-access-key}
      - {key: {{ ternary $from.secretKey "s3-secret-key" $named }}, path: s3-secret-key}
{{- end }}
{{- end -}}

{{/* Takes {ctx, group}. */}}
{{- define "syrinx.agent.env" -}}
- {name: POD_INDEX, valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}}
- {name: SYRINX_AGENT_TOKEN_FILE, value: /run/secrets/agent/token-$(POD_INDEX)}
{{- $tls := ne .ctx.Values.grpc.tls.source "off" }}
- {name: SYRINX_GRPC_TARGET, value: {{ printf "%s%s:%v" (ternary "grpcs://" "" $tls) (include "syrinx.dns" (dict "ctx" .ctx "component" "grpc")) .ctx.Values.grpc.port | quote }}}
{{- if not $tls }}
- {name: SYRINX_GRPC_INSECURE, value: "1"}
{{- else if include "syrinx.grpc.caKey" .ctx }}
# Read by gRPC itself, in place of the public authorities.
- {name: GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, value: /run/secrets/grpc-ca/ca.crt}
{{- end }}
- {name: SYRINX_NATS_URL_FILE, value: /run/secrets/syrinx/nats-url}
{{- if .ctx.Values.nats.external.credsSecret.name }}
- {name: SYRINX_NATS_CREDS_FILE, value: /run/secrets/syrinx/nats-creds}
{{- end }}
- {name: SYRINX_WORK_DIR, value: /var/lib/syrinx}
- {name: SYRINX_DEVICES, value: {{ .group.devices | quote }}}
- {name: SYRINX_CACHE_GB, value: {{ .group.cacheGB | quote }}}
# Libraries would count the cores of the whole node.
{{- if .group.cpuThreads }}
- {name: SYRINX_CPU_THREADS, value: {{ .group.cpuThreads | quote }}}
{{- else }}
- {name: SYRINX_CPU_THREADS, valueFrom: {resourceFieldRef: {containerName: agent, resource: requests.cpu}}}
{{- end }}
- {name: SYRINX_LOG, value: json}
# Everything that a library would cache in a home folder; the image is read-only.
- {name: HOME, value: /var/lib/syrinx/home}
- {name: XDG_CACHE_HOME, value: /var/lib/syrinx/cache}
- {name: NUMBA_CACHE_DIR, value: /var/lib/syrinx/cache/numba}
- {name: TORCHINDUCTOR_CACHE_DIR, value: /var/lib/syrinx/cache/inductor}
- {name: TRITON_CACHE_DIR, value: /var/lib/syrinx/cache/triton}
{{- if .ctx.Values.trustBundle.configMap }}
- {name: SSL_CERT_FILE, value: /run/trust/ca.crt}
{{- end }}
{{- with .group.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An agent sees the address of NATS and nothing else of the release's secrets. */}}
{{- define "syrinx.agent.secretSources" -}}
{{- $own := include "syrinx.secret" . -}}
{{- with .Values.nats }}
{{- $from := ternary .external.urlSecret dict (eq .mode "external") }}
- secret: {name: {{ $from.name | default $own }}, items: [{key: {{ ternary $from.agentKey "nats-agent-url" (not (empty $from.name)) }}, path: nats-url}]}
{{- with .external.credsSecret }}
{{- if .name }}
- secret: {name: {{ .name }}, items: [{key: {{ .agentKey }}, path: nats-creds}]}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes {ctx, group}. */}}
{{- define "syrinx.agent.tokenSecret" -}}
{{- default (printf "%s-agent-%s-tokens" (include "syrinx.fullname" .ctx) .group.name) .group.token.existingSecret -}}
{{- end -}}

{{- define "syrinx.grpc.tlsSecret" -}}
{{- ternary .Values.grpc.tls.existingSecret (printf "%s-grpc-tls" (include "syrinx.fullname" .)) (eq .Values.grpc.tls.source "existingSecret") -}}
{{- end -}}

{{/* The key of the authority's certificate, or nothing where a public one signed. */}}
{{- define "syrinx.grpc.caKey" -}}
{{- if eq .Values.grpc.tls.source "generated" -}}
ca.crt
{{- else if eq .Values.grpc.tls.source "existingSecret" -}}
{{ .Values.grpc.tls.caKey }}
{{- end -}}
{{- end -}}

{{- define "syrinx.trust.volume" -}}
{{- with .Values.trustBundle }}
{{- if .configMap }}
- name: trust
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}
