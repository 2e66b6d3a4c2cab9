{{/* The name of everything: of the release, with the chart's name unless the release has it already. */}}
{{- define "tenantry.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the pods of a component. It never changes: a Deployment's selector cannot. A dict of "top" and "component". */}}
{{- define "tenantry.selector" -}}
app.kubernetes.io/name: {{ default .top.Chart.Name .top.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .top.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of everything. A dict of "top" and "component". */}}
{{- define "tenantry.labels" -}}
{{ include "tenantry.selector" . }}
app.kubernetes.io/version: {{ default .top.Chart.AppVersion .top.Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .top.Chart.Name .top.Chart.Version | replace "+" "_" }}
{{- with .top.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenantry.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "tenantry.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "tenantry.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* Where the world reaches the API. */}}
{{- define "tenantry.publicUrl" -}}
{{- if .Values.config.public_url -}}
{{ .Values.config.public_url }}
{{- else if .Values.ingress.enabled -}}
{{ ternary "https" "http" .Values.ingress.tls.enabled }}://{{ .Values.ingress.host }}
{{- else -}}
{{ fail "config.public_url must be set, or ingress.enabled: issuer, audiences and links are made from it" }}
{{- end -}}
{{- end }}

{{/* The settings that are in force, as YAML: what the chart has to say, then what `config` says. */}}
{{- define "tenantry.settings" -}}
{{- $held := "/run/tenantry" -}}
{{- $settings := dict
      "listen" "0.0.0.0:8080" "metrics_listen" "0.0.0.0:9090" "data_dir" "/var/lib/tenantry"
      "log_format" "json" "shutdown_delay" 5 "public_url" (include "tenantry.publicUrl" .) -}}
{{- range $name, $secret := .Values.secrets -}}
{{- if or $secret.existingSecret $secret.value -}}
{{- $file := kebabcase $name -}}
{{- $_ := set $settings (printf "%s_file" (snakecase $name)) (printf "%s/%s" $held $file) -}}
{{- end -}}
{{- end -}}
{{- with $settings.other_master_key_file -}}
{{- $_ := set $settings "other_master_key_files" (list .) -}}
{{- end -}}
{{- $settings = omit $settings "other_master_key_file" -}}
{{- range $key, $_ := .Values.config -}}
{{- if has $key (list "listen" "metrics_listen" "data_dir") -}}
{{- fail (printf "config.%s is set by the chart: its probes, ports and volumes rest on it" $key) -}}
{{- end -}}
{{- $secret := camelcase (trimSuffix "_file" $key) | untitle -}}
{{- if hasKey $.Values.secrets $secret -}}
{{- fail (printf "config.%s belongs to secrets.%s" $key $secret) -}}
{{- end -}}
{{- end -}}
{{- $settings = merge (deepCopy .Values.config) $settings -}}
{{- if not $settings.master_key_file -}}
{{- fail "secrets.masterKey must be set, to a value or an existing Secret: `openssl rand -base64 32` makes a key. Keep a copy apart from the database" -}}
{{- end -}}
{{- if eq .Values.database "postgres" -}}
{{- if not $settings.database_url_file -}}
{{- fail "secrets.databaseUrl must be set, to a value or an existing Secret: postgres://USER:PASSWORD@HOST/NAME" -}}
{{- end -}}
{{- else if $settings.database_url_file -}}
{{- fail "secrets.databaseUrl belongs to database: postgres" -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end }}

{{/* tenantry.toml. Helm writes whole numbers with a fraction, which TOML reads as another type. */}}
{{- define "tenantry.toml" -}}
{{- range $key, $value := include "tenantry.settings" . | fromYaml }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}
{{ $key }} = {{ int64 $value }}
{{- else }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Those secrets that the chart keeps itself, as the data of a Secret. */}}
{{- define "tenantry.secretData" -}}
{{- range $name, $secret := .Values.secrets }}
{{- if and $secret.value (not $secret.existingSecret) }}
{{ kebabcase $name }}: {{ b64enc $secret.value }}
{{- end }}
{{- end }}
{{- end }}

{{/* The volumes that settings and secrets come from. A dict of "top" and "own": the name of the chart's own ConfigMap and Secret. */}}
{{- define "tenantry.volumes" -}}
- name: settings
  configMap:
    name: {{ .own }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $name, $secret := .top.Values.secrets }}
      {{- if or $secret.existingSecret $secret.value }}
      - secret:
          name: {{ default $.own $secret.existingSecret }}
          items:
            - key: {{ ternary $secret.key (kebabcase $name) (not (empty $secret.existingSecret)) }}
              path: {{ kebabcase $name }}
      {{- end }}
      {{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .top.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenantry.mounts" -}}
- {name: settings, mountPath: /etc/tenantry, readOnly: true}
- {name: secrets, mountPath: /run/tenantry, readOnly: true}
- {name: data, mountPath: /var/lib/tenantry}
- {name: tmp, mountPath: /tmp}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenantry.env" -}}
- {name: TENANTRY_CONFIG, value: /etc/tenantry/tenantry.toml}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenantry.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tenantry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tenantry.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What a NetworkPolicy allows to whoever asks the database: names, and the database. */}}
{{- define "tenantry.databaseEgress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- if eq .Values.database "postgres" }}
- ports: [{port: {{ .Values.networkPolicy.databasePort }}, protocol: TCP}]
  {{- with .Values.networkPolicy.databaseTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
