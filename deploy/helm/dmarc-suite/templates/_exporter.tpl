{{/*
One exporter: account, service, deployment and policy. It takes a dict of root,
name, binary, port, values and, where they differ, args, env, volumes, mounts,
recreate and, for several of one, replicas and autoscaled.
*/}}
{{- define "dmarc-suite.exporter" -}}
{{- $args := .args }}
{{- $mounts := .mounts | default list }}
{{- $volumes := .volumes | default list }}
{{- if .root.Values.mtls.enabled }}
{{- $args = append $args "--web.config.file=/etc/web/web.yml" }}
{{- $mounts = concat (list
  (dict "name" "web" "mountPath" "/etc/web" "readOnly" true)
  (dict "name" "web-tls" "mountPath" "/etc/web/tls" "readOnly" true)) $mounts }}
{{- $volumes = concat (list
  (dict "name" "web" "configMap" (dict "name" (include "dmarc-suite.webName" .root)))
  (dict "name" "web-tls" "secret" (dict "secretName" "exporters-tls" "defaultMode" 288))) $volumes }}
{{- end }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
automountServiceAccountToken: false
---
{{ include "dmarc-suite.service" (dict "root" .root "name" .name "namespace" .root.Release.Namespace "port" .port) }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .name }}
spec:
  {{- if not (and .replicas .autoscaled) }}
  replicas: {{ .replicas | default 1 }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- if .replicas }}
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 1
      maxSurge: 0
    {{- else if .recreate }}
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
    {{- end }}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ .name }}
        app.kubernetes.io/part-of: dmarc-suite
    spec:
      serviceAccountName: {{ .name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "dmarc-suite.podSecurity" . | nindent 8 }}
        fsGroup: 65532
        fsGroupChangePolicy: OnRootMismatch
      {{- if .replicas }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: {{ .name }}
      {{- end }}
      containers:
        - name: exporter
          image: {{ include "dmarc-suite.image" . }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- toYaml $args | nindent 12 }}
          {{- with .env }}
          env:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - name: metrics
              containerPort: {{ .port }}
              protocol: TCP
          securityContext:
            {{- include "dmarc-suite.containerSecurity" . | nindent 12 }}
          startupProbe:
            {{- include "dmarc-suite.probe" (dict "root" .root "path" "/-/healthy") | nindent 12 }}
            periodSeconds: 2
            failureThreshold: 30
          readinessProbe:
            {{- include "dmarc-suite.probe" (dict "root" .root "path" "/-/ready") | nindent 12 }}
            periodSeconds: 10
            timeoutSeconds: 2
          livenessProbe:
            {{- include "dmarc-suite.probe" (dict "root" .root "path" "/-/healthy") | nindent 12 }}
            periodSeconds: 20
            timeoutSeconds: 2
            failureThreshold: 3
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          {{- with $mounts }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
      terminationGracePeriodSeconds: 30
      {{- with $volumes }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ .root.Values.prometheus.namespace }}
          podSelector:
            matchLabels:
              {{- toYaml .root.Values.prometheus.podLabels | nindent 14 }}
      ports:
        - port: metrics
          protocol: TCP
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ .root.Values.dns.namespace }}
          podSelector:
            matchLabels:
              {{- toYaml .root.Values.dns.podLabels | nindent 14 }}
      ports:
        - port: 53
          protocol: UDP
        - port: 53
          protocol: TCP
    {{- with .values.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
