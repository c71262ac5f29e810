// The mixin: grafanaDashboards, prometheusAlerts, prometheusRules, and _config.
(import 'config.libsonnet') +
(import 'slos.libsonnet') +
(import 'alerts/alerts.libsonnet') +
(import 'dashboards/dashboards.libsonnet') +
(import 'alertmanager.libsonnet')
