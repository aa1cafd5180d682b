{{- /* Made by python deploy/manifests.py. */ -}}
{{- define "tiltyard.name" -}}
{{ .Values.name | default .Release.Name }}
{{- end }}

{{- define "tiltyard.api-keys" -}}
{{ .Values.apiKeysSecret | default (printf "%s-api-keys" (include "tiltyard.name" .)) }}
{{- end }}

{{- define "tiltyard.configuration" -}}
{{ toYaml (mergeOverwrite (dict "MLFLOW_TRACKING_URI" "http://mlflow:5000" "TILTYARD_LOG" "json") (.Values.configuration | default dict)) }}
{{- end }}

{{- define "tiltyard.checksum" -}}
{{ printf "%s%s" (include "tiltyard.configuration" .) (.Values.project | default "") | sha256sum | trunc 16 }}
{{- end }}

{{- define "tiltyard.project-file" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "tiltyard.name" . }}-project
  labels:
    app.kubernetes.io/part-of: {{ include "tiltyard.name" . }}
data:
  tiltyard.toml: {{ .Values.project | toJson }}
{{- end }}

{{- define "tiltyard.project-mount" -}}
- name: project
  mountPath: /project/tiltyard.toml
  subPath: tiltyard.toml
  readOnly: true
{{- end }}

{{- define "tiltyard.project-volume" -}}
- name: project
  configMap:
    name: {{ include "tiltyard.name" . }}-project
{{- end }}
