package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// netclass is the collector of network devices with upstream's names and flags.
// Upstream's own opens every file of every device, with some seven system calls
// each: a third of what all collectors took. This one reads those that are shown,
// with three.
type netclass struct {
	dir        string
	ignored    *regexp.Regexp
	validSpeed bool // show no speed that is negative
	table      *collect.Table[[]netDevice]
}

// netDevice is a network device: the texts of its files by their names. A file that
// the device does not have is missing.
type netDevice struct {
	name  string
	texts map[string]string
}

// netclassReader returns the reader of network devices, upstream's with netlink.
func netclassReader(h *host) (updater, error) {
	if path("collector.netclass.netlink") == "true" {
		return h, nil
	}
	return newNetclass()
}

func newNetclass() (*netclass, error) {
	ignored, err := regexp.Compile(path("collector.netclass.ignored-devices"))
	if err != nil {
		return nil, fmt.Errorf("ignored devices: %w", err)
	}
	c := &netclass{
		dir: filepath.Join(path("path.sysfs"), "class/net"), ignored: ignored,
		validSpeed: path("collector.netclass.ignore-invalid-speed") == "true",
	}
	c.table = collect.NewTable(c.rows(), nil)
	return c, nil
}

// netNumbers are the files with numbers, and the metrics of those that are shown
// as they are.
var netNumbers = []struct {
	file, metric string
	kind         prometheus.ValueType
}{
	{"addr_assign_type", "address_assign_type", prometheus.GaugeValue},
	{"carrier", "carrier", prometheus.GaugeValue},
	{"carrier_changes", "carrier_changes_total", prometheus.CounterValue},
	{"carrier_up_count", "carrier_up_changes_total", prometheus.CounterValue},
	{"carrier_down_count", "carrier_down_changes_total", prometheus.CounterValue},
	{"dev_id", "device_id", prometheus.GaugeValue},
	{"dormant", "dormant", prometheus.GaugeValue},
	{"flags", "flags", prometheus.GaugeValue},
	{"ifindex", "iface_id", prometheus.GaugeValue},
	{"iflink", "iface_link", prometheus.GaugeValue},
	{"link_mode", "iface_link_mode", prometheus.GaugeValue},
	{"mtu", "mtu_bytes", prometheus.GaugeValue},
	{"name_assign_type", "name_assign_type", prometheus.GaugeValue},
	{"netdev_group", "net_dev_group", prometheus.GaugeValue},
	{"tx_queue_len", "transmit_queue_length", prometheus.GaugeValue},
	{"type", "protocol_type", prometheus.GaugeValue},
}

// netTexts are the other files.
var netTexts = []string{"address", "broadcast", "duplex", "ifalias", "operstate", "speed"}

// rows are the metrics. Their help is upstream's.
func (c *netclass) rows() []collect.Row[[]netDevice] {
	device := []string{"device"}
	each := func(get func(*netDevice, collect.Series)) func([]netDevice, collect.Series) {
		return func(devices []netDevice, s collect.Series) {
			for i := range devices {
				get(&devices[i], s)
			}
		}
	}
	property := func(name string, kind prometheus.ValueType, get func(*netDevice) (float64, bool)) collect.Row[[]netDevice] {
		return collect.Row[[]netDevice]{
			Name: "node_network_" + name, Help: "Network device property: " + name, Kind: kind, Labels: device,
			Get: each(func(d *netDevice, s collect.Series) {
				if value, ok := get(d); ok {
					s.Value(value, d.name)
				}
			}),
		}
	}
	rows := []collect.Row[[]netDevice]{
		collect.Gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.", each(func(d *netDevice, s collect.Series) {
			s.Flag(d.texts["operstate"] == "up", d.name)
		}), device...),
		collect.Gauge("node_network_info", "Non-numeric data from /sys/class/net/<iface>, value is always 1.", each(func(d *netDevice, s collect.Series) {
			s.Value(1, d.name, d.texts["address"], d.texts["broadcast"], d.texts["duplex"], d.texts["operstate"], d.adminState(), d.texts["ifalias"])
		}), "device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias"),
		property("speed_bytes", prometheus.GaugeValue, func(d *netDevice) (float64, bool) {
			megabits, ok := d.number("speed")
			return float64(megabits * 1000 * 1000 / 8), ok && (megabits >= 0 || !c.validSpeed)
		}),
	}
	for _, n := range netNumbers {
		rows = append(rows, property(n.metric, n.kind, func(d *netDevice) (float64, bool) {
			value, ok := d.number(n.file)
			return float64(value), ok
		}))
	}
	return rows
}

// number returns the number in a file, and whether there is the file. As
// upstream has it, what is no number is 0.
func (d *netDevice) number(file string) (int64, bool) {
	text, ok := d.texts[file]
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		n = 0
	}
	return n, ok
}

// adminState returns what the administrator wants of the device.
func (d *netDevice) adminState() string {
	flags, ok := d.number("flags")
	switch {
	case !ok:
		return "unknown"
	case flags&int64(net.FlagUp) != 0:
		return "up"
	}
	return "down"
}

// Update implements updater.
func (c *netclass) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return errNoData
	}
	if err != nil {
		return fmt.Errorf("list network devices: %w", err)
	}
	var devices []netDevice
	for _, e := range entries {
		if e.Type().IsRegular() || c.ignored.MatchString(e.Name()) {
			continue
		}
		d, err := c.read(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // It has just gone.
		}
		if err != nil {
			return fmt.Errorf("read network device %s: %w", e.Name(), err)
		}
		devices = append(devices, d)
	}
	c.table.Collect(devices, ch)
	return nil
}

// read reads the files of a device.
func (c *netclass) read(name string) (netDevice, error) {
	d := netDevice{name: name, texts: make(map[string]string, len(netNumbers)+len(netTexts))}
	dir, err := unix.Open(filepath.Join(c.dir, name), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return d, err
	}
	defer func() { _ = unix.Close(dir) }()
	take := func(file string) error {
		text, err := readAt(dir, file)
		switch {
		case err == nil:
			d.texts[file] = text
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
			// Not every device knows everything.
		default:
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	}
	for _, n := range netNumbers {
		if err := take(n.file); err != nil {
			return d, err
		}
	}
	for _, file := range netTexts {
		if err := take(file); err != nil {
			return d, err
		}
	}
	return d, nil
}

// readAt returns what a short file of a directory holds. Files of /sys are neither
// waited for nor read twice.
func readAt(dir int, name string) (string, error) {
	file, err := ignoringEINTR(func() (int, error) { return unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(file) }()
	var buffer [128]byte
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(file, buffer[:]) })
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(buffer[:n])), nil
}

// ignoringEINTR calls f again as long as a signal interrupts it.
func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
