{{- define "updog-fleet.labels" -}}
app.kubernetes.io/name: updog-fleet
app.kubernetes.io/part-of: updog-fleet
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "updog-fleet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "updog-fleet.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
priorityClassName: {{ .Values.priorityClass.name }}
terminationGracePeriodSeconds: 30
{{- end -}}

{{- define "updog-fleet.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "updog-fleet.settings" -}}
- name: MY_NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: MY_POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: MY_POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}
