// Signals of backups, their verification and the tests of recovery, which come
// from deploy/dr through the textfile directory of the node exporter.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local stat = { kind: 'stat', span: 8, height: 5 };
local ok = [{ type: 'value', options: { '0': { text: 'FAILED', color: 'red', index: 0 }, '1': { text: 'OK', color: 'green', index: 1 } } }];

function(c)
  local aged(hours) = [
    { id: 'unit', value: 's' },
    { id: 'custom.cellOptions', value: { type: 'color-text' } },
    { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: hours * 3600, color: 'red' }] } },
  ];
  // within is what a test measured beside what the objective allows.
  local within(title, text, measured, objective) = s(title, 's', text, [
    ['topk(10, max by (instance) (%s{%%(s)s}))' % measured, '{{instance}}'],
    ['min(dr_objective_seconds{%%(s)s, objective="%s"})' % objective, 'objective'],
  ], { span: 12, min: 0, noValue: 'no test was made' });
  {
    runs: s('Hosts, failures first', 'short', 'Each host with backups: whether the last backup, the last verification of all its repositories, and the last test of a restore succeeded, and what that test measured.', [
      ['min by (instance) (dr_backup_last_run_success{%(s)s})', 'Backup'],
      ['min by (instance) (dr_repo_verify_success{%(s)s})', 'Repositories'],
      ['min by (instance) (dr_restore_test_success{%(s)s})', 'Restore'],
      ['max by (instance) (dr_restore_test_duration_seconds{%(s)s})', 'Recovery time'],
      ['max by (instance) (dr_restore_test_recovered_lag_seconds{%(s)s})', 'Recovery point'],
    ], {
      kind: 'table',
      by: 'instance',
      span: 24,
      noValue: 'no backup is configured',
      sortBy: { displayName: 'Backup', desc: false },
      columns: {
        [k]: panel.state(ok)
        for k in ['Backup', 'Repositories', 'Restore']
      } + {
        [k]: [{ id: 'unit', value: 's' }]
        for k in ['Recovery time', 'Recovery point']
      },
    }),
    backups: s('Backups, oldest first', 'short', 'Each kind of backup, and how long ago the last good one was made.', [
      ['time() - max by (instance, stanza, repo, type) (dr_backup_last_success_timestamp_seconds{%(s)s})', 'Age'],
    ], { kind: 'table', by: 'stanza', span: 12, height: 8, noValue: 'no backup was made', sortBy: { displayName: 'Age', desc: true }, columns: { Age: aged(c.thresholds.backupHours) } }),
    age: s('Age of the last backup', 's', 'Time since the last good backup, of the ten oldest: it falls to zero with each.', [
      ['topk(10, time() - max by (instance, stanza, repo, type) (dr_backup_last_success_timestamp_seconds{%(s)s}))', '{{instance}} {{stanza}} {{repo}} {{type}}'],
    ], { span: 12, min: 0, noValue: 'no backup was made', thresholds: [[null, 'green'], [c.thresholds.backupHours * 3600, 'red']] }),
    tested: s('Last test of a restore', 's', 'Time since a backup was restored with success.', [
      ['time() - max(dr_restore_test_last_success_timestamp_seconds{%(s)s})', 'ago'],
    ], stat { noValue: 'no test was made', thresholds: [[null, 'green'], [c.thresholds.verifyDays * 86400, 'red']] }),
    verified: s('Repository verified', 's', 'Time since each repository was verified without a finding.', [
      ['time() - max by (repo) (dr_repo_verify_last_success_timestamp_seconds{%(s)s})', 'repository {{repo}}'],
    ], stat { noValue: 'never verified', thresholds: [[null, 'green'], [c.thresholds.verifyDays * 86400, 'red']] }),
    missing: s('Missing WAL segments', 'short', 'Segments that the last verification missed: there is no recovery across them.', [
      ['max by (repo, timeline) (dr_archive_missing_segments{%(s)s})', 'repository {{repo}}, timeline {{timeline}}'],
    ], stat { noValue: 'not verified yet', thresholds: [[null, 'green'], [1, 'red']] }),
    duration: within('Recovery time', 'How long the last tests of a restore took, the ten longest, and the recovery time objective.', 'dr_restore_test_duration_seconds', 'rto'),
    lag: within('Recovery point', 'How much the last tests of a restore lost, the ten worst, and the recovery point objective.', 'dr_restore_test_recovered_lag_seconds', 'rpo'),
    files: s('Files of repositories', 'short', 'Files that the last verification looked at, by what it found.', [
      ['max by (repo, state) (dr_repo_verify_files{%(s)s})', 'repository {{repo}} {{state}}'],
    ], { span: 12, min: 0, noValue: 'not verified' }),
    written: s('Metrics written', 's', 'Time since the scripts last wrote their metrics.', [
      ['topk(10, label_replace(time() - node_textfile_mtime_seconds{%(s)s, file=~"(.*/)?(dr_backup|backup_verify|restore_test|redis_dr)[.]prom"}, "file", "$1", "file", ".*/(.+)"))', '{{instance}} {{file}}'],
    ], { span: 12, min: 0, noValue: 'no file of the scripts' }),
  }
