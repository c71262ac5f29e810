// What a user may want to change. Override it with
//   (import 'mixin.libsonnet') + { _config+:: { … } }
{
  _config+:: {
    // The label suite of every alert and recording: inhibitions ask for it, so
    // that they mute nothing of others.
    suite: 'dmarc-suite',

    // The exporters that are meant: rules and dashboards of others are left
    // out. Which of these run is learned from what they expose.
    parts: ['dmarc', 'postgres', 'redis', 'nginx', 'node'],
    // Those of parts that must run: their absence is an alert even if they were
    // never seen. Others are missed when they were seen within absentDays.
    expected: [],
    absentDays: 7,
    // The jobs of k8s/ and deploy/compose/, where they are known before the
    // first scrape. Others are learned.
    jobs: {
      dmarc: 'dmarc-exporter',
      postgres: 'postgres-queries-exporter',
      redis: 'redis-exporter',
      nginx: 'nginx-exporter',
      node: 'node-exporter',
    },

    // Matchers that narrow what rules and dashboards look at. Empty is all that
    // exposes the metrics, whatever its job; 'job="cache"' is one of several.
    selectors: {
      dmarc: '',
      postgres: '',
      redis: '',
      nginx: '',
      node: '',
      application: '',
      suite: '',  // for what each of the exporters has
      prometheus: '',
      alertmanager: '',
      loki: '',
    },

    // Labels that tell environments apart: sums, joins, objectives, budgets,
    // inhibitions and dashboards keep them. Labels that nobody has do no harm.
    groupLabels: ['cluster', 'namespace'],

    // The label of the variable of the dashboards that tells clusters apart; it
    // is hidden unless showMultiCluster.
    clusterLabel: 'cluster',
    showMultiCluster: false,

    // The schema where dmarc_exporter keeps its state in PostgreSQL.
    recordsSchema: 'dmarc',

    // Where alerts point to.
    runbookURL: 'https://github.com/dmarc-suite/dmarc-suite/blob/main/docs/runbooks/%s.md',
    // The address of Grafana, as https://grafana.example.com; links of alerts
    // are relative without it.
    grafanaUrl: '',
    // The address of the pages of dmarc_exporter as a browser reaches it, such as
    // https://dmarc.example.com; names in tables lead there as well.
    pagesUrl: '',
    // Labels of the PrometheusRule objects; kube-prometheus-stack selects by release.
    ruleLabels: { 'app.kubernetes.io/part-of': 'dmarc-suite', role: 'alert-rules', release: 'kube-prometheus-stack' },
    dashboardTags: ['dmarc-suite'],
    dashboardRefresh: '1m',
    dashboardFrom: 'now-6h',

    // Queues of Celery that alerts look at, of those that --check-queues names.
    queueKeys: 'celery|default|.*_queue',
    // Reporters that must be heard of, a regular expression; '' switches off.
    expectedReporters: '.+',
    // Reporters and domains whose silence is no news, regular expressions.
    ignoredReporters: '',
    parkedDomains: '',
    // Mount points that alerts look at.
    filesystems: 'fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|fuse.*", mountpoint!~"/(dev|proc|run|sys)($|/).*"',
    blockDevices: 'device!~"loop.*|ram.*|dm-.*|sr.*"',
    netDevices: 'device!~"lo|veth.*|docker.*|br-.*|cni.*|cali.*"',

    // Classes of endpoints, each with the time within which 95 % are answered: that
    // of nginx, whose routes the map of its log names, and that of the application,
    // whose histogram has no boundary at 0.3.
    endpointClasses: [
      { name: 'health', title: 'health checks', nginx: ['0.05', 'route=~"(.*[/_-])?(health|healthz|ready|live|ping)([/_-].*)?"'], application: ['0.05', 'endpoint=~".*(health|ready|live|ping).*"'] },
      { name: 'reads', title: 'reads', nginx: ['0.3', 'route=~"(.*[/_-])?reads?([/_-].*)?"'], application: ['0.25', 'method=~"GET|HEAD", endpoint!~".*(health|ready|live|ping|search|statistics|analytics|export).*"'] },
      { name: 'writes', title: 'writes', nginx: ['0.5', 'route=~"(.*[/_-])?writes?([/_-].*)?"'], application: ['0.5', 'method=~"POST|PUT|PATCH|DELETE", endpoint!~".*(upload|import|process).*"'] },
      { name: 'complex', title: 'complex questions', nginx: ['1', 'route=~"(.*[/_-])?complex([/_-].*)?"'], application: ['1', 'endpoint=~".*(search|statistics|analytics|export).*"'] },
      { name: 'processing', title: 'processing of reports', nginx: ['5', 'route=~"(.*[/_-])?process(ing)?([/_-].*)?"'], application: ['5', 'method=~"POST|PUT", endpoint=~".*(upload|import|process).*"'] },
    ],

    // Thresholds, each used by the alert and by the line in the panel.
    thresholds: {
      spoofingMessages: 100,  // unauthenticated messages a day
      spoofingFactor: 3,  // times the mean day of the week before
      passRateDrop: 0.1,  // share below the mean of the last 30 days
      messagesFloor: 100,  // fewer messages a day say nothing
      readyForQuarantine: 0.98,  // share that passes in 30 days
      readyForReject: 0.995,
      // Silence is judged against the four weeks before: so many days without
      // anything, though each such period of them had something.
      silenceDays: 4,
      silenceDaysWeekdays: 8,  // for those that rest at weekends and holidays
      silenceDaysAlways: 14,  // whatever was before
      tlsFailureRatio: 0.05,
      refusedRatio: 0.1,
      backlogInputs: 1000,
      listenerRejections: 300,  // clients and mails in 15 minutes
      ingestionSilenceDays: 4,  // as silenceDays, of a source
      queueLength: 1000,
      http5xxRatio: 0.005,
      http4xxRatio: 0.1,
      httpP95Seconds: 0.5,
      pgConnections: 0.7,
      pgLongTransactionSeconds: 1800,
      pgLongTransactions: 5,
      pgReplicationLagSeconds: 30,
      pgCacheHitRatio: 0.9,
      pgQuerySeconds: 0.1,  // of 95 % of the queries
      pgDeadTupleRatio: 0.2,
      redisMemory: 0.9,
      redisConnections: 0.8,
      redisFragmentation: 1.8,
      nodeCPU: 0.9,
      nodeMemory: 0.9,
      nodeFilesystem: 0.85,
      containerMemory: 0.9,
      containerThrottling: 0.25,
      certificateDays: 21,
      certificateCriticalDays: 7,
      backupHours: 26,
      backupSeenDays: 7,  // an alert knows for so long that there were backups
      runHours: 12,  // a backup, or its test, may run so long before it counts as failed
      verifyDays: 8,
    },

    // How long an alert waits, from how long its rule says. A demo hurries.
    wait(duration):: duration,

    slo: {
      period: '30d',  // rolling, always
      interval: 60,  // seconds between samples of the recordings
      periodInterval: 300,  // seconds between looks at the whole period
      periodStep: '1h',  // of what was seen of the period
      minErrors: 5,  // fewer errors in the long window do not burn
      // A window in which share of the budget is spent: factor × long ÷ period.
      windows: [
        { name: '1h', long: '1h', short: '5m', factor: 14.4, severity: 'critical', 'for': '2m', spent: '2 %' },
        { name: '6h', long: '6h', short: '30m', factor: 6, severity: 'critical', 'for': '15m', spent: '5 %' },
        { name: '1d', long: '1d', short: '2h', factor: 3, severity: 'warning', 'for': '1h', spent: '10 %' },
        { name: '3d', long: '3d', short: '6h', factor: 1, severity: 'warning', 'for': '3h', spent: '10 %' },
      ],
      // What is done when less than this share of the budget is left.
      policy: [
        { alert: 'SLOBudgetHalfSpent', below: 0.5, severity: 'info', action: 'Caution: review risky changes, look at what spends the budget.' },
        { alert: 'SLOBudgetLow', below: 0.25, severity: 'warning', action: 'Freeze non-critical changes; work on reliability comes first.' },
        { alert: 'SLOBudgetFreeze', below: 0.1, severity: 'warning', action: 'Freeze all changes but fixes for reliability and security.' },
        { alert: 'SLOBudgetExhausted', below: 0, severity: 'critical', action: 'The objective is missed: stop deployments, hold a review, agree on a way back.' },
      ],
      // Where the events of an SLO come from; see slos.libsonnet for the choice.
      sources: { availability: 'nginx', latency: 'nginx', errors: 'nginx', freshness: 'sql', database: 'canary', tasks: 'sql' },
    },
  },
}
