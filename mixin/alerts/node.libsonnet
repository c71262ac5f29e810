// Alerts about hosts, containers and certificates.
local a = import '../lib/alert.libsonnet';

function(c)
  local j = 'job="node-exporter", instance="a"';
  local con = j + ', id="/x", name="web", namespace="", pod="", container=""';
  local fs = j + ', device="/dev/sda1", fstype="ext4", mountpoint="/"';
  // An image that is mounted read-only is full for good.
  local writable = ' unless node_filesystem_readonly{%(node)s, %(filesystems)s} == 1';
  local expires = '{{ if lt $value 0.0 }}has expired{{ else }}expires in {{ $value | humanizeDuration }}{{ end }}';
  // Kubernetes has a series of the pod beside those of its containers.
  local container = '{{ with $labels.pod }}{{ . }}{{ else }}{{ $labels.name }}{{ end }}{{ with $labels.container }} {{ . }}{{ end }}';
  local alert(name, expr, summary, description, fires, silent, severity='warning', wait='15m', at=40, dashboard='dmarc-node', interval='1m') =
    local test(series) = {
      at: at,
      interval: interval,
      series: { [std.strReplace(std.strReplace(std.strReplace(k, '@c', con), '@f', fs), '@', j)]: series[k] for k in std.objectFields(series) },
    };
    a.new(c, name, expr, summary, description, dashboard, test(fires), test(silent), severity, wait);
  [
    a.group('node', [
      alert(
        'NodeCPUHigh',
        '1 - avg by (%(group)s, instance) (rate(node_cpu_seconds_total{%(node)s, mode="idle"}[5m])) > %(nodeCPU)s',
        'A host is out of CPU.',
        'The CPUs of {{ $labels.instance }} are {{ $value | humanizePercentage }} busy for 30 minutes.',
        { 'node_cpu_seconds_total{@, cpu="0", mode="idle"}': '0+1x60' },
        { 'node_cpu_seconds_total{@, cpu="0", mode="idle"}': '0+30x60' },
        wait='30m',
        at=50
      ),
      alert(
        'NodeMemoryHigh',
        '1 - node_memory_MemAvailable_bytes{%(node)s} / node_memory_MemTotal_bytes{%(node)s} > %(nodeMemory)s',
        'A host is out of memory.',
        '{{ $value | humanizePercentage }} of the memory of {{ $labels.instance }} is in use for 15 minutes.',
        { 'node_memory_MemAvailable_bytes{@}': '5x50', 'node_memory_MemTotal_bytes{@}': '100x50' },
        { 'node_memory_MemAvailable_bytes{@}': '50x50', 'node_memory_MemTotal_bytes{@}': '100x50' }
      ),
      alert(
        'NodeFilesystemAlmostFull',
        '1 - node_filesystem_avail_bytes{%(node)s, %(filesystems)s} / node_filesystem_size_bytes{%(node)s, %(filesystems)s} > %(nodeFilesystem)s' + writable,
        'A file system is almost full.',
        '{{ $labels.mountpoint }} of {{ $labels.instance }} is {{ $value | humanizePercentage }} full.',
        { 'node_filesystem_avail_bytes{@f}': '5x50', 'node_filesystem_size_bytes{@f}': '100x50' },
        { 'node_filesystem_avail_bytes{@f}': '50x50', 'node_filesystem_size_bytes{@f}': '100x50' }
      ),
      alert(
        'NodeFilesystemFillsUp',
        |||
          predict_linear(node_filesystem_avail_bytes{%(node)s, %(filesystems)s}[6h], 86400) < 0
          and predict_linear(node_filesystem_avail_bytes{%(node)s, %(filesystems)s}[1h], 86400) < 0
          and node_filesystem_avail_bytes{%(node)s, %(filesystems)s} / node_filesystem_size_bytes{%(node)s, %(filesystems)s} < 0.4
        |||,
        'A file system will be full within a day.',
        '{{ $labels.mountpoint }} of {{ $labels.instance }} will be full within a day if it goes on as in the last 6 hours, and in the last one.',
        { 'node_filesystem_avail_bytes{@f}': '100000-100x300', 'node_filesystem_size_bytes{@f}': '300000x300' },
        { 'node_filesystem_avail_bytes{@f}': '100000-1x300', 'node_filesystem_size_bytes{@f}': '300000x300' },
        'critical',
        '1h',
        280
      ),
      alert(
        'NodeInodesAlmostGone',
        'node_filesystem_files_free{%(node)s, %(filesystems)s} / (node_filesystem_files{%(node)s, %(filesystems)s} > 0) < 0.1' + writable,
        'A file system has few inodes left.',
        'Only {{ $value | humanizePercentage }} of the inodes of {{ $labels.mountpoint }} of {{ $labels.instance }} are free.',
        { 'node_filesystem_files_free{@f}': '5x50', 'node_filesystem_files{@f}': '100x50' },
        { 'node_filesystem_files_free{@f}': '0x50', 'node_filesystem_files{@f}': '0x50' }
      ),
      alert(
        'NodeFilesystemReadOnly',
        'node_filesystem_readonly{%(node)s, %(filesystems)s} == 1 and max_over_time((node_filesystem_readonly{%(node)s, %(filesystems)s} == bool 0)[1d:5m]) == 1',
        'A file system became read-only.',
        '{{ $labels.mountpoint }} of {{ $labels.instance }} was writable within the last day and is read-only now: the disk may be broken.',
        { 'node_filesystem_readonly{@f}': '0x20 1x40' },
        { 'node_filesystem_readonly{@f}': '1x60' },
        'critical',
        '5m'
      ),
      alert(
        'NodeDiskSaturated',
        'rate(node_disk_io_time_seconds_total{%(node)s, %(blockDevices)s}[5m]) > 0.95',
        'A disk is always busy.',
        '{{ $labels.device }} of {{ $labels.instance }} is busy {{ $value | humanizePercentage }} of the time for 30 minutes.',
        { 'node_disk_io_time_seconds_total{@, device="sda"}': '0+60x60' },
        { 'node_disk_io_time_seconds_total{@, device="sda"}': '0+20x60' },
        wait='30m',
        at=50
      ),
      alert(
        'NodeNetworkErrors',
        'rate(node_network_receive_errs_total{%(node)s, %(netDevices)s}[5m]) + rate(node_network_transmit_errs_total{%(node)s, %(netDevices)s}[5m]) > 1',
        'A network interface has errors.',
        '{{ $labels.device }} of {{ $labels.instance }} has {{ $value | humanize }} errors a second.',
        { 'node_network_receive_errs_total{@, device="eth0"}': '0+300x50', 'node_network_transmit_errs_total{@, device="eth0"}': '0x50' },
        { 'node_network_receive_errs_total{@, device="eth0"}': '0+3x50', 'node_network_transmit_errs_total{@, device="eth0"}': '0x50' }
      ),
      alert(
        'NodeClockOff',
        'abs(node_timex_offset_seconds{%(node)s}) > 0.05 or node_timex_sync_status{%(node)s} == 0 and node_timex_maxerror_seconds{%(node)s} >= 16',
        'The clock of a host is not synchronised.',
        'The clock of {{ $labels.instance }} is off or not synchronised: reports, logs and tokens get wrong times.',
        { 'node_timex_offset_seconds{@}': '0.5x50', 'node_timex_sync_status{@}': '1x50' },
        { 'node_timex_offset_seconds{@}': '0.001x50', 'node_timex_sync_status{@}': '1x50' }
      ),
      alert(
        'NodeRestarted',
        // A clock that is set moves the time of the boot, too.
        'changes(node_boot_time_seconds{%(node)s}[15m]) > 0 unless time() - node_boot_time_seconds{%(node)s} > 3600',
        'A host was restarted.',
        '{{ $labels.instance }} was booted in the last 15 minutes.',
        { 'node_boot_time_seconds{@}': '1x30 700x30' },
        { 'node_boot_time_seconds{@}': '1x60' },
        'info',
        '0m'
      ),
      alert(
        'NodeOutOfMemoryKill',
        'increase(node_vmstat_oom_kill{%(node)s}[15m]) > 0',
        'The kernel killed a process for lack of memory.',
        '{{ $value | humanize }} processes of {{ $labels.instance }} were killed in 15 minutes.',
        { 'node_vmstat_oom_kill{@}': '0x30 1x30' },
        { 'node_vmstat_oom_kill{@}': '1x60' },
        'warning',
        '0m'
      ),
      alert(
        'NodeFileDescriptorsLow',
        'node_filefd_allocated{%(node)s} / node_filefd_maximum{%(node)s} > 0.8',
        'A host has few file descriptors left.',
        '{{ $value | humanizePercentage }} of the file descriptors of {{ $labels.instance }} are in use.',
        { 'node_filefd_allocated{@}': '90x50', 'node_filefd_maximum{@}': '100x50' },
        { 'node_filefd_allocated{@}': '9x50', 'node_filefd_maximum{@}': '100x50' }
      ),
      alert(
        'NodeTextfileBroken',
        'node_textfile_scrape_error{%(node)s} == 1',
        'A file of metrics cannot be read.',
        'A file in the textfile directory of {{ $labels.instance }} is broken; the metrics of the backups may be missing.',
        { 'node_textfile_scrape_error{@}': '1x50' },
        { 'node_textfile_scrape_error{@}': '0x50' }
      ),
    ]),
    a.group('containers', [
      alert(
        'ContainerMemoryHigh',
        'container_memory_working_set_bytes{%(node)s} / (container_spec_memory_limit_bytes{%(node)s} > 0) > %(containerMemory)s unless container_spec_memory_limit_bytes{%(node)s, pod!="", container=""}',
        'A container is close to its memory limit.',
        container + ' on {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its memory limit.',
        { 'container_memory_working_set_bytes{@c}': '95x50', 'container_spec_memory_limit_bytes{@c}': '100x50' },
        { 'container_memory_working_set_bytes{@c}': '95x50', 'container_spec_memory_limit_bytes{@c}': '0x50' },
        dashboard='dmarc-infrastructure'
      ),
      alert(
        'ContainerThrottled',
        'rate(container_cpu_cfs_throttled_periods_total{%(node)s}[5m]) / (rate(container_cpu_cfs_periods_total{%(node)s}[5m]) > 0) > %(containerThrottling)s unless container_cpu_cfs_periods_total{%(node)s, pod!="", container=""}',
        'A container is throttled.',
        container + ' on {{ $labels.instance }} is held back in {{ $value | humanizePercentage }} of its periods: its CPU limit is too low.',
        { 'container_cpu_cfs_throttled_periods_total{@c}': '0+300x50', 'container_cpu_cfs_periods_total{@c}': '0+600x50' },
        { 'container_cpu_cfs_throttled_periods_total{@c}': '0+3x50', 'container_cpu_cfs_periods_total{@c}': '0+600x50' },
        dashboard='dmarc-infrastructure'
      ),
      alert(
        'ContainerOutOfMemoryKill',
        'increase(container_oom_events_total{%(node)s}[15m]) > 0 unless container_oom_events_total{%(node)s, pod!="", container=""}',
        'A process of a container was killed for lack of memory.',
        container + ' on {{ $labels.instance }} hit its memory limit.',
        { 'container_oom_events_total{@c}': '0x30 1x30' },
        { 'container_oom_events_total{@c}': '1x60' },
        wait='0m',
        dashboard='dmarc-infrastructure'
      ),
    ]),
    a.group('certificates', [
      alert(
        'CertificateExpiresSoon',
        'node_certificate_not_after_timestamp_seconds{%(node)s} - time() < %(certificateDays)s * 86400',
        'A certificate expires within weeks.',
        '{{ $labels.path }} of {{ $labels.instance }} ' + expires + ': its renewal does not work.',
        { 'node_certificate_not_after_timestamp_seconds{@, path="/etc/ssl/a.pem"}': '864000x90' },
        { 'node_certificate_not_after_timestamp_seconds{@, path="/etc/ssl/a.pem"}': '8640000x90' },
        wait='1h',
        at=80
      ),
      alert(
        'CertificateExpires',
        'node_certificate_not_after_timestamp_seconds{%(node)s} - time() < %(certificateCriticalDays)s * 86400',
        'A certificate expires within days.',
        '{{ $labels.path }} of {{ $labels.instance }} ' + expires + ': clients refuse an expired one.',
        { 'node_certificate_not_after_timestamp_seconds{@, path="/etc/ssl/a.pem"}': '86400x90' },
        { 'node_certificate_not_after_timestamp_seconds{@, path="/etc/ssl/a.pem"}': '864000x90' },
        'critical'
      ),
      alert(
        'CertificateUnreadable',
        'node_certificate_read_error{%(node)s} == 1',
        'A certificate cannot be read.',
        '{{ $labels.path }} of {{ $labels.instance }} is missing or holds no certificate: nobody sees when it expires.',
        { 'node_certificate_read_error{@, path="/etc/ssl/a.pem"}': '1x50' },
        { 'node_certificate_read_error{@, path="/etc/ssl/a.pem"}': '0x50' }
      ),
    ]),
  ]
