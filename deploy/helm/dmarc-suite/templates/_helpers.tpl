{{- define "dmarc-suite.image" -}}
{{- $repository := printf "%s/%s" .root.Values.image.registry .binary -}}
{{- if .values.digest -}}
{{ $repository }}@{{ .values.digest }}
{{- else -}}
{{ $repository }}:{{ .root.Values.image.tag | default (printf "v%s" .root.Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{/* The ConfigMap of dmarc-exporter. Its name changes with the content, so that a change of it rolls the pod. */}}
{{- define "dmarc-suite.configName" -}}
dmarc-exporter-{{ .Values.dmarcExporter.config | sha256sum | trunc 10 }}
{{- end }}

{{- define "dmarc-suite.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "dmarc-suite.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What a probe asks. With mtls the kubelet, which has no certificate, sees only whether the port answers. */}}
{{- define "dmarc-suite.probe" -}}
{{- if .root.Values.mtls.enabled -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ .path }}
  port: metrics
{{- end -}}
{{- end }}

{{/* The web configuration of mtls, and the name of its ConfigMap, which changes with it. */}}
{{- define "dmarc-suite.web" -}}
{{ .Files.Get "files/mtls/web.yml" | replace "dmarc-monitoring" .Release.Namespace }}
{{- end }}

{{- define "dmarc-suite.webName" -}}
exporters-web-{{ include "dmarc-suite.web" . | sha256sum | trunc 10 }}
{{- end }}

{{/* A service; with headless it has no address of its own. */}}
{{- define "dmarc-suite.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    app.kubernetes.io/name: {{ .name }}
  {{- if .root.Values.scrapeAnnotations.enabled }}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .port | quote }}
    prometheus.io/path: /metrics
  {{- end }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    app.kubernetes.io/name: {{ .name }}
  ports:
    - name: metrics
      port: {{ .port }}
      targetPort: metrics
      protocol: TCP
{{- end }}

{{/* The volume of an exporter's Secret, readable by its group alone. */}}
{{- define "dmarc-suite.secretVolume" -}}
name: secrets
secret:
  secretName: {{ . }}
  defaultMode: 0440
{{- end }}

{{/* The exporters that are on, as a list of names in JSON. */}}
{{- define "dmarc-suite.names" -}}
{{- $names := list -}}
{{- if .Values.dmarcExporter.enabled }}{{ $names = append $names "dmarc-exporter" }}{{ end -}}
{{- if .Values.postgresQueriesExporter.enabled }}{{ $names = append $names "postgres-queries-exporter" }}{{ end -}}
{{- if .Values.redisExporter.enabled }}{{ $names = append $names "redis-exporter" }}{{ end -}}
{{- if .Values.nginxExporter.enabled }}{{ $names = append $names "nginx-exporter" }}{{ end -}}
{{- toJson $names -}}
{{- end }}
