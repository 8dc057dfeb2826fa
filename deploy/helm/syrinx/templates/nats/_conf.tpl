{{/* The server's settings. tests/deploy/test_nats_conf.py runs a real server with them. */}}
{{- define "syrinx.nats.conf" -}}
server_name: {{ include "syrinx.fullname" . }}
listen: 0.0.0.0:4222
http: 0.0.0.0:8222
ping_interval: "20s"
write_deadline: "10s"

jetstream {
  store_dir: /data
  # The default flushes every two minutes: what was acknowledged in between is lost when the power fails.
  sync_interval: always
  max_file_store: {{ mul (regexFind "[0-9]+" .Values.nats.storage.size | int64) 800 }}MB
}
{{- if .Values.nats.tls.existingSecret }}

tls {
  cert_file: /run/secrets/tls/tls.crt
  key_file: /run/secrets/tls/tls.key
}
{{- end }}

authorization {
  users: [
    { user: portal, password: $NATS_PORTAL_PASSWORD }
    {
      user: agent
      password: $NATS_AGENT_PASSWORD
      permissions: {
        # Pull from one consumer and acknowledge its deliveries: an agent can neither ring nor wipe the bell.
        publish: [
          "$JS.API.CONSUMER.MSG.NEXT.SYRINX_JOBS.agents"
          "$JS.ACK.SYRINX_JOBS.agents.>"
        ]
        # Only as a member of the queue group, so that no agent can listen to what others are asked to say.
        subscribe: ["_INBOX_agent.>", "syrinx.speak speak"]
        # Answers to a speak request, in pieces of 256 KiB.
        allow_responses: { max: 4096, expires: "10m" }
      }
    }
  ]
}
{{- end -}}
