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
    ['max by (instance) (%s{%%(s)s})' % measured, '{{instance}} measured'],
    ['max by (instance) (dr_objective_seconds{%%(s)s, objective="%s"})' % objective, '{{instance}} objective'],
  ], { span: 12, min: 0, noValue: 'no test was made' });
  {
    runs: s('Last runs', 'short', 'Whether the last backup, the last verification of its repository, and the last test of a restore succeeded.', [
      ['min by (instance) (dr_backup_last_run_success{%(s)s})', 'backup of {{instance}}'],
      ['min by (instance, repo) (dr_repo_verify_success{%(s)s})', 'repository {{repo}} of {{instance}}'],
      ['min by (instance) (dr_restore_test_success{%(s)s})', 'restore on {{instance}}'],
    ], { kind: 'stat', span: 24, height: 4, mappings: ok, noValue: 'no backup is configured' }),
    backups: s('Backups, oldest first', 'short', 'Each kind of backup, and how long ago the last good one was made.', [
      ['time() - max by (instance, stanza, repo, type) (dr_backup_last_success_timestamp_seconds{%(s)s})', 'Age'],
    ], { kind: 'table', by: 'stanza', span: 12, height: 8, noValue: 'no backup was made', sortBy: { displayName: 'Age', desc: true }, columns: { Age: aged(c.thresholds.backupHours) } }),
    age: s('Age of the last backup', 's', 'Time since the last good backup: it falls to zero with each.', [
      ['time() - max by (instance, stanza, repo, type) (dr_backup_last_success_timestamp_seconds{%(s)s})', '{{instance}} {{stanza}} {{repo}} {{type}}'],
    ], { span: 12, min: 0, noValue: 'no backup was made', thresholds: [[null, 'green'], [c.thresholds.backupHours * 3600, 'red']] }),
    tested: s('Last test of a restore', 's', 'Time since a backup was restored with success.', [
      ['time() - max(dr_restore_test_last_success_timestamp_seconds{%(s)s})', 'ago'],
    ], stat { noValue: 'no test was made', thresholds: [[null, 'green'], [c.thresholds.verifyDays * 86400, 'red']] }),
    verified: s('Repository verified', 's', 'Time since each repository was verified without a finding.', [
      ['time() - max by (repo) (dr_repo_verify_last_success_timestamp_seconds{%(s)s})', 'repository {{repo}}'],
    ], stat { noValue: 'never verified', thresholds: [[null, 'green'], [c.thresholds.verifyDays * 86400, 'red']] }),
    missing: s('Missing WAL segments', 'short', 'Segments that the last verification missed: there is no recovery across them.', [
      ['max by (repo, timeline) (dr_archive_missing_segments{%(s)s})', 'repository {{repo}}, timeline {{timeline}}'],
    ], stat { noValue: 'not verified', thresholds: [[null, 'green'], [1, 'red']] }),
    duration: within('Recovery time', 'How long the last test of a restore took, and the recovery time objective.', 'dr_restore_test_duration_seconds', 'rto'),
    lag: within('Recovery point', 'How much the last test of a restore lost, and the recovery point objective.', 'dr_restore_test_recovered_lag_seconds', 'rpo'),
    files: s('Files of repositories', 'short', 'Files that the last verification looked at, by what it found.', [
      ['max by (repo, state) (dr_repo_verify_files{%(s)s})', 'repository {{repo}} {{state}}'],
    ], { span: 12, min: 0, noValue: 'not verified' }),
    written: s('Metrics written', 's', 'Time since the scripts last wrote their metrics.', [
      ['time() - node_textfile_mtime_seconds{%(s)s, file=~".*/dr_.+"}', '{{instance}} {{file}}'],
    ], { span: 12, min: 0, noValue: 'no file of the scripts' }),
  }
