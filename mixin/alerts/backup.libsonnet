// Alerts about backups, their verification and the tests of recovery. The
// metrics come from deploy/dr through the textfile directory of the node exporter.
local a = import '../lib/alert.libsonnet';

function(c)
  local j = 'job="node-exporter", instance="a"';
  local alert(name, expr, summary, description, fires, silent, severity='critical', wait='15m', at=40, interval='1m') =
    local test(series) = { at: at, interval: interval, series: { [std.strReplace(k, '@', j)]: series[k] for k in std.objectFields(series) } };
    a.new(c, name, expr, summary, description, 'dmarc-backup', test(fires), test(silent), severity, wait);
  local objective(kind) = 'dr_objective_seconds{@, objective="%s"}' % kind;
  [a.group('backup', [
    alert(
      'BackupTooOld',
      'time() - dr_backup_last_success_timestamp_seconds{%(node)s} > %(backupHours)s * 3600',
      'The last good backup is too old.',
      'The last good {{ $labels.type }} backup of {{ $labels.stanza }} on {{ $labels.instance }} in repository {{ $labels.repo }} is {{ $value | humanizeDuration }} old.',
      { 'dr_backup_last_success_timestamp_seconds{@, stanza="main", repo="1", type="full"}': '0x50' },
      { 'dr_backup_last_success_timestamp_seconds{@, stanza="main", repo="1", type="full"}': '0+3600x50' },
      at=40,
      interval='1h'
    ),
    alert(
      'BackupAbsent',
      |||
        group by (%(environment)s) (last_over_time({__name__=~"dr_backup_last_run_success|dr_objective_seconds|dr_backup_last_success_timestamp_seconds", %(node)s}[%(backupSeenDays)sd]))
          unless on (%(environment)s) dr_backup_last_success_timestamp_seconds{%(node)s}
        or group by (%(environment)s, stanza) (last_over_time(dr_backup_last_success_timestamp_seconds{%(node)s}[%(backupSeenDays)sd]))
          unless on (%(environment)s, stanza) dr_backup_last_success_timestamp_seconds{%(node)s}
          and on (%(environment)s) dr_backup_last_success_timestamp_seconds{%(node)s}
      |||,
      'The time of the last backup is unknown.',
      'Backups{{ with $labels.stanza }} of {{ . }}{{ end }} were configured in the last days, but none has succeeded, or their metrics no longer reach the textfile directory of the node exporter.',
      { 'dr_backup_last_success_timestamp_seconds{@, stanza="main", repo="1", type="full"}': '0x5 stale' },
      { 'up{@}': '1x90' },
      wait='1h',
      at=80
    ),
    alert(
      'BackupFailed',
      'dr_backup_last_run_success{%(node)s} == 0 unless on (job, instance) time() - dr_run_started_timestamp_seconds{%(node)s, run="dr-backup"} < %(runHours)s * 3600',
      'The last backup failed.',
      'The last run of the backup on {{ $labels.instance }} failed.',
      { 'dr_backup_last_run_success{@}': '0x50' },
      { 'dr_backup_last_run_success{@}': '0x50', 'dr_run_started_timestamp_seconds{@, run="dr-backup"}': '0x50' }
    ),
    alert(
      'BackupVerifyFailed',
      'dr_repo_verify_success{%(node)s} == 0 unless on (job, instance) time() - dr_run_started_timestamp_seconds{%(node)s, run="dr-verify"} < %(runHours)s * 3600',
      'A backup repository is damaged.',
      'The verification of repository {{ $labels.repo }} on {{ $labels.instance }} found damaged or missing files, or a gap in the WAL: what is in it may not be restorable.',
      { 'dr_repo_verify_success{@, repo="1"}': '0x50' },
      { 'dr_repo_verify_success{@, repo="1"}': '1x50' }
    ),
    alert(
      'BackupVerifyTooOld',
      'time() - dr_repo_verify_last_success_timestamp_seconds{%(node)s} > %(verifyDays)s * 86400',
      'A backup repository was not verified for long.',
      'Repository {{ $labels.repo }} was last verified on {{ $labels.instance }} {{ $value | humanizeDuration }} ago.',
      { 'dr_repo_verify_last_success_timestamp_seconds{@, repo="1"}': '0x50' },
      { 'dr_repo_verify_last_success_timestamp_seconds{@, repo="1"}': '0+21600x50' },
      'warning',
      at=45,
      interval='6h'
    ),
    alert(
      'RestoreTestFailed',
      'dr_restore_test_success{%(node)s} == 0 unless on (job, instance) time() - dr_run_started_timestamp_seconds{%(node)s, run="dr-restore-test"} < %(runHours)s * 3600',
      'A backup could not be restored.',
      'The last test on {{ $labels.instance }} could not restore the backup: it would not help in a disaster either.',
      { 'dr_restore_test_success{@}': '0x50' },
      { 'dr_restore_test_success{@}': '1x50' }
    ),
    alert(
      'RestoreTestTooOld',
      'time() - dr_restore_test_last_success_timestamp_seconds{%(node)s} > %(verifyDays)s * 86400',
      'No backup was restored for long.',
      'The last successful test of a restore on {{ $labels.instance }} was {{ $value | humanizeDuration }} ago.',
      { 'dr_restore_test_last_success_timestamp_seconds{@}': '0x50' },
      { 'dr_restore_test_last_success_timestamp_seconds{@}': '0+21600x50' },
      'warning',
      at=45,
      interval='6h'
    ),
    alert(
      'RecoveryTimeExceeded',
      'max by (%(group)s, instance) (dr_restore_test_duration_seconds{%(node)s}) > on (%(group)s, instance) max by (%(group)s, instance) (dr_objective_seconds{%(node)s, objective="rto"})',
      'A restore takes longer than the objective allows.',
      'The last test of a restore on {{ $labels.instance }} took {{ $value | humanizeDuration }}, more than the recovery time objective.',
      { 'dr_restore_test_duration_seconds{@}': '9000x50', [objective('rto')]: '3600x50' },
      { 'dr_restore_test_duration_seconds{@}': '60x50', [objective('rto')]: '3600x50' },
      'warning'
    ),
    alert(
      'RecoveryPointExceeded',
      'max by (%(group)s, instance) (dr_restore_test_recovered_lag_seconds{%(node)s}) > on (%(group)s, instance) max by (%(group)s, instance) (dr_objective_seconds{%(node)s, objective="rpo"})',
      'A restore loses more than the objective allows.',
      'The last test of a restore on {{ $labels.instance }} lost {{ $value | humanizeDuration }} of data, more than the recovery point objective.',
      { 'dr_restore_test_recovered_lag_seconds{@}': '900x50', [objective('rpo')]: '300x50' },
      { 'dr_restore_test_recovered_lag_seconds{@}': '60x50', [objective('rpo')]: '300x50' },
      'warning'
    ),
    alert(
      'WALArchiveLate',
      |||
        pg_stat_archiver_last_archive_age{%(postgres)s}
          > on (%(environment)s) group_left () max by (%(environment)s) (dr_objective_seconds{%(node)s, objective="rpo"})
          unless on (%(group)s, instance) pg_replication_is_replica{%(postgres)s} == 1
          unless changes(pg_wal_lsn_bytes{%(postgres)s}[1h]) == 0
          unless on (%(group)s, instance) sum by (%(group)s, instance) (increase(pg_stat_database_tup_inserted{%(postgres)s}[1h]) + increase(pg_stat_database_tup_updated{%(postgres)s}[1h]) + increase(pg_stat_database_tup_deleted{%(postgres)s}[1h])) == 0
      |||,
      'WAL is archived too late.',
      'The last WAL file of {{ $labels.instance }} was archived {{ $value | humanizeDuration }} ago, more than the recovery point objective: a crash now loses that much.',
      { 'pg_stat_archiver_last_archive_age{job="postgres-queries-exporter", instance="p"}': '900x50', [objective('rpo')]: '300x50' },
      { 'pg_stat_archiver_last_archive_age{job="postgres-queries-exporter", instance="p"}': '30x50', [objective('rpo')]: '300x50' }
    ),
    alert(
      'BackupMetricsStale',
      'time() - node_textfile_mtime_seconds{%(node)s, file=~".*/dr_backup\\\\.prom"} > %(backupHours)s * 3600',
      'The metrics of the backups are old.',
      '{{ $labels.file }} of {{ $labels.instance }} was last written {{ $value | humanizeDuration }} ago: the backup does not run.',
      { 'node_textfile_mtime_seconds{@, file="/var/lib/node_exporter/dr_backup.prom"}': '0x50' },
      { 'node_textfile_mtime_seconds{@, file="/var/lib/node_exporter/dr_backup.prom"}': '0+3600x50' },
      'warning',
      at=40,
      interval='1h'
    ),
  ])]
