// Signals of hosts, containers, certificates and backups.
local panel = import '../lib/panel.libsonnet';
local s = panel.signal;
local small = { kind: 'stat', span: 4, height: 4 };

function(c)
  local fs = '%(s)s, ' + c.filesystems;
  local disk = '%(s)s, ' + c.blockDevices;
  local net = '%(s)s, ' + c.netDevices;
  local cpuUsed = '1 - avg by (instance) (rate(node_cpu_seconds_total{%(s)s, mode="idle"}[5m]))';
  local memoryUsed = '1 - sum by (instance) (node_memory_MemAvailable_bytes{%(s)s}) / sum by (instance) (node_memory_MemTotal_bytes{%(s)s})';
  local diskUsed = 'max by (instance) (1 - node_filesystem_avail_bytes{' + fs + '} / node_filesystem_size_bytes{' + fs + '})';
  local top(expr) = [['topk(10, %s)' % expr, '{{instance}}']];
  local both(metrics, matchers) = std.join(' + ', ['sum by (instance) (rate(%s{%s}[$__rate_interval]))' % [m, matchers] for m in metrics]);
  local used(limit) = panel.share([[null, 'green'], [limit * 0.9, 'orange'], [limit, 'red']]);
  {
    hosts: s('Hosts, worst first', 'short', 'Each host by the fullest of its CPU, memory and file systems. The name leads to its page.', [
      ['max by (instance) (%s)' % std.join(' or ', [
        'label_replace(%s, "of", "%s", "", "")' % [expr, of]
        for of in ['cpu', 'memory', 'disk']
        for expr in [{ cpu: cpuUsed, memory: memoryUsed, disk: diskUsed }[of]]
      ]), 'Fullest'],
      [cpuUsed, 'CPU'],
      [memoryUsed, 'Memory'],
      [diskUsed, 'Disk'],
      ['sum by (instance) (node_load5{%(s)s}) / count by (instance) (count by (instance, cpu) (node_cpu_seconds_total{%(s)s}))', 'Load per CPU'],
      ['time() - max by (instance) (node_boot_time_seconds{%(s)s})', 'Uptime'],
    ], {
      kind: 'table',
      by: 'instance',
      span: 24,
      height: 9,
      sortBy: { displayName: 'Fullest', desc: true },
      columns: {
        Fullest: used(c.thresholds.nodeFilesystem),
        CPU: used(c.thresholds.nodeCPU),
        Memory: used(c.thresholds.nodeMemory),
        Disk: used(c.thresholds.nodeFilesystem),
        'Load per CPU': [{ id: 'decimals', value: 2 }],
        Uptime: [{ id: 'unit', value: 's' }],
      },
      overrides: [panel.to('instance', 'dmarc-node', 'Show ${__value.text}')],
    }),
    hostCPU: s('CPU of hosts', 'percentunit', 'Share of CPU time that is used, of the ten hosts where it is most.', top('1 - avg by (instance) (rate(node_cpu_seconds_total{%(s)s, mode="idle"}[$__rate_interval]))'), { min: 0, max: 1, thresholds: [[null, 'green'], [c.thresholds.nodeCPU, 'red']] }),
    hostMemory: s('Memory of hosts', 'percentunit', 'Share of memory that is used, of the ten hosts where it is most.', top(memoryUsed), { min: 0, max: 1, thresholds: [[null, 'green'], [c.thresholds.nodeMemory, 'red']] }),
    hostPressure: s('Pressure on hosts', 'percentunit', 'Share of the time in which processes waited for CPU, memory or disk, whichever is most, of the ten hosts where it is most.', top('max by (instance) (%s)' % std.join(' or ', [
      'label_replace(rate(node_pressure_%s_waiting_seconds_total{%%(s)s}[$__rate_interval]), "of", "%s", "", "")' % [k, k]
      for k in ['cpu', 'memory', 'io']
    ])), { min: 0, noValue: 'the kernel tells no pressure' }),
    hostDisk: s('Disk use of hosts', 'percentunit', 'Share of the fullest file system that is used, of the ten hosts where it is most.', top(diskUsed), { min: 0, max: 1, noValue: 'no file system', thresholds: [[null, 'green'], [c.thresholds.nodeFilesystem, 'red']] }),
    hostBytes: s('Disk throughput of hosts', 'Bps', 'Bytes a second that were read and written, of the ten busiest hosts.', top(both(['node_disk_read_bytes_total', 'node_disk_written_bytes_total'], disk)), { min: 0 }),
    hostIOPS: s('IOPS of hosts', 'iops', 'Reads and writes a second, of the ten busiest hosts.', top(both(['node_disk_reads_completed_total', 'node_disk_writes_completed_total'], disk)), { min: 0 }),
    hostBusy: s('Disks of hosts busy', 'percentunit', 'Share of the time in which the busiest disk had something to do, of the ten busiest hosts.', top('max by (instance) (rate(node_disk_io_time_seconds_total{%s}[$__rate_interval]))' % disk), { min: 0, max: 1 }),
    hostNetwork: s('Network traffic of hosts', 'Bps', 'Bytes a second that were received and sent, of the ten busiest hosts.', top(both(['node_network_receive_bytes_total', 'node_network_transmit_bytes_total'], net)), { min: 0 }),
    hostNetworkErrors: s('Network errors of hosts', 'pps', 'Packets a second with errors and dropped ones, of the ten hosts with most.', top(both(['node_network_%s_total' % k for k in ['receive_errs', 'transmit_errs', 'receive_drop', 'transmit_drop']], net)), { bad: true, min: 0 }),
    cpuNow: s('CPU', 'percentunit', 'Share of CPU time that is used, over the last 5 minutes.', [['1 - avg(rate(node_cpu_seconds_total{%(s)s, mode="idle"}[5m]))', 'used']], small { decimals: 1, min: 0, max: 1, thresholds: [[null, 'green'], [c.thresholds.nodeCPU, 'red']] }),
    memoryNow: s('Memory', 'percentunit', 'Share of memory that is used.', [['1 - sum(node_memory_MemAvailable_bytes{%(s)s}) / sum(node_memory_MemTotal_bytes{%(s)s})', 'used']], small { decimals: 1, min: 0, max: 1, thresholds: [[null, 'green'], [c.thresholds.nodeMemory, 'red']] }),
    diskNow: s('Fullest disk', 'percentunit', 'Share of the fullest file system that is used.', [['max(1 - node_filesystem_avail_bytes{%s} / node_filesystem_size_bytes{%s})' % [fs, fs], 'used']], small { decimals: 1, min: 0, max: 1, noValue: 'no file system', thresholds: [[null, 'green'], [c.thresholds.nodeFilesystem, 'red']] }),
    load: s('Load per CPU', 'short', 'Load of the last 5 minutes by the number of CPUs; above 1 processes wait.', [['sum(node_load5{%(s)s}) / count(count by (instance, cpu) (node_cpu_seconds_total{%(s)s}))', 'load']], small { decimals: 2 }),
    uptime: s('Uptime', 's', 'Time since the host was booted.', [['time() - max(node_boot_time_seconds{%(s)s})', 'uptime']], small),
    containersNow: s('Containers', 'short', 'Containers that were found.', [['sum(node_containers{%(s)s})', 'containers']], small { noValue: 'not collected' }),
    cpu: s('CPU', 'percentunit', 'Share of CPU time by what it was used for.', [['avg by (mode) (rate(node_cpu_seconds_total{%(s)s, mode!="idle"}[$__rate_interval]))', '{{mode}}']], { min: 0, max: 1, stack: true }),
    memory: s('Memory', 'bytes', 'Memory in use, for caches of files, and free.', [
      ['sum(node_memory_MemTotal_bytes{%(s)s} - node_memory_MemAvailable_bytes{%(s)s})', 'used'],
      ['sum(node_memory_Cached_bytes{%(s)s} + node_memory_Buffers_bytes{%(s)s})', 'cached'],
      ['sum(node_memory_MemFree_bytes{%(s)s})', 'free'],
    ], { min: 0 }),
    pressure: s('Pressure', 'percentunit', 'Share of the time in which processes waited for CPU, memory or disk.', [
      ['max(rate(node_pressure_%s_waiting_seconds_total{%%(s)s}[$__rate_interval]))' % k, k]
      for k in ['cpu', 'memory', 'io']
    ], { min: 0, noValue: 'the kernel tells no pressure' }),
    loads: s('Load', 'short', 'Processes that run or wait, as means of 1, 5 and 15 minutes.', [['sum(node_load%d{%%(s)s})' % n, '%d min' % n] for n in [1, 5, 15]], { min: 0 }),
    disk: s('Disk use', 'percentunit', 'Share of each file system that is used.', [['1 - node_filesystem_avail_bytes{%s} / node_filesystem_size_bytes{%s}' % [fs, fs], '{{instance}} {{mountpoint}}']], { min: 0, max: 1, noValue: 'no file system', thresholds: [[null, 'green'], [c.thresholds.nodeFilesystem, 'red']] }),
    diskBytes: s('Disk throughput', 'Bps', 'Bytes a second that were read and written.', [
      ['sum by (device) (rate(node_disk_read_bytes_total{%s}[$__rate_interval]))' % disk, '{{device}} read'],
      ['sum by (device) (rate(node_disk_written_bytes_total{%s}[$__rate_interval]))' % disk, '{{device}} written'],
    ], { min: 0 }),
    iops: s('IOPS', 'iops', 'Reads and writes a second that were completed.', [
      ['sum by (device) (rate(node_disk_reads_completed_total{%s}[$__rate_interval]))' % disk, '{{device}} reads'],
      ['sum by (device) (rate(node_disk_writes_completed_total{%s}[$__rate_interval]))' % disk, '{{device}} writes'],
    ], { min: 0 }),
    diskBusy: s('Disk busy', 'percentunit', 'Share of the time in which a disk had something to do.', [['max by (device) (rate(node_disk_io_time_seconds_total{%s}[$__rate_interval]))' % disk, '{{device}}']], { min: 0, max: 1 }),
    network: s('Network traffic', 'Bps', 'Bytes a second that were received and sent.', [
      ['sum by (device) (rate(node_network_receive_bytes_total{%s}[$__rate_interval]))' % net, '{{device}} in'],
      ['sum by (device) (rate(node_network_transmit_bytes_total{%s}[$__rate_interval]))' % net, '{{device}} out'],
    ], { min: 0 }),
    networkErrors: s('Network errors', 'pps', 'Packets a second with errors, and dropped ones.', [
      ['sum by (device) (rate(node_network_receive_errs_total{%s}[$__rate_interval]) + rate(node_network_transmit_errs_total{%s}[$__rate_interval]))' % [net, net], '{{device}} errors'],
      ['sum by (device) (rate(node_network_receive_drop_total{%s}[$__rate_interval]) + rate(node_network_transmit_drop_total{%s}[$__rate_interval]))' % [net, net], '{{device}} dropped'],
    ], { bad: true, min: 0 }),
    inodes: s('Inodes', 'percentunit', 'Share of the inodes of each file system that is used.', [['1 - node_filesystem_files_free{%s} / (node_filesystem_files{%s} > 0)' % [fs, fs], '{{instance}} {{mountpoint}}']], { min: 0, max: 1, noValue: 'no inodes' }),
    processes: s('Processes', 'short', 'Processes that run, or are blocked by a disk.', [['node_procs_running{%(s)s}', '{{instance}} running'], ['node_procs_blocked{%(s)s}', '{{instance}} blocked']], { min: 0 }),
    clock: s('Clock offset', 's', 'How far the clock is off.', [['node_timex_offset_seconds{%(s)s}', '{{instance}}']]),
    descriptors: s('File descriptors', 'short', 'File descriptors that are open.', [['node_filefd_allocated{%(s)s}', '{{instance}}']], { min: 0 }),
    sockets: s('TCP connections', 'short', 'TCP connections that are established, and sockets in time wait.', [['node_netstat_Tcp_CurrEstab{%(s)s}', '{{instance}} established'], ['node_sockstat_TCP_tw{%(s)s}', '{{instance}} time wait']], { min: 0 }),
    contextSwitches: s('Context switches', 'ops', 'Context switches a second.', [['rate(node_context_switches_total{%(s)s}[$__rate_interval])', '{{instance}}']], { min: 0 }),
    containerCPU: s('Container CPU', 'percentunit', 'CPU time of containers, of one core; the ten largest.', [['topk(10, sum by (instance, name, pod, container) (rate(container_cpu_usage_seconds_total{%(s)s}[$__rate_interval])))', '{{instance}} {{pod}}{{name}} {{container}}']], { min: 0, noValue: 'no containers' }),
    containerMemory: s('Container memory', 'bytes', 'Working set of containers; the ten largest.', [['topk(10, sum by (instance, name, pod, container) (container_memory_working_set_bytes{%(s)s}))', '{{instance}} {{pod}}{{name}} {{container}}']], { min: 0, noValue: 'no containers' }),
    containerThrottled: s('Throttled periods', 'percentunit', 'Share of the periods in which a container was held back by its CPU limit.', [
      ['topk(10, sum by (instance, name, pod, container) (rate(container_cpu_cfs_throttled_periods_total{%(s)s}[$__rate_interval])) / (sum by (instance, name, pod, container) (rate(container_cpu_cfs_periods_total{%(s)s}[$__rate_interval])) > 0))', '{{instance}} {{pod}}{{name}} {{container}}'],
    ], { min: 0, noValue: 'no container has a CPU limit' }),
    containerDisk: s('Container disk', 'Bps', 'Bytes a second that containers read and wrote; the ten largest.', [
      ['topk(10, sum by (instance, name, pod, container) (rate(container_fs_reads_bytes_total{%(s)s}[$__rate_interval]) + rate(container_fs_writes_bytes_total{%(s)s}[$__rate_interval])))', '{{instance}} {{pod}}{{name}} {{container}}'],
    ], { min: 0, noValue: 'no container used a disk' }),
    certificates: s('Certificates, soonest first', 'short', 'Each certificate and the time until it expires.', [
      ['max by (instance, path) (node_certificate_not_after_timestamp_seconds{%(s)s}) - time()', 'Left'],
    ], {
      kind: 'table',
      by: 'path',
      span: 24,
      height: 6,
      noValue: 'no certificate is watched',
      sortBy: { displayName: 'Left', desc: false },
      columns: { Left: [
        { id: 'unit', value: 's' },
        { id: 'custom.cellOptions', value: { type: 'color-text' } },
        { id: 'thresholds', value: { mode: 'absolute', steps: [{ value: null, color: 'red' }, { value: c.thresholds.certificateCriticalDays * 86400, color: 'orange' }, { value: c.thresholds.certificateDays * 86400, color: 'green' }] } },
      ] },
    }),
  }
