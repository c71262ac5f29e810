//go:build linux

package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/node_exporter/collector"
)

// updated makes a collector of what sends metrics.
type updated func(chan<- prometheus.Metric) error

func (u updated) Describe(chan<- *prometheus.Desc) {}

func (u updated) Collect(ch chan<- prometheus.Metric) {
	if err := u(ch); err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("failed", "Failed.", nil, nil), err)
	}
}

// texts returns families as they would be read, by name.
func texts(families map[string]*dto.MetricFamily) map[string]string {
	all := map[string]string{}
	for name, f := range families {
		all[name] = f.GetHelp() + " " + f.GetType().String()
		for _, m := range f.GetMetric() {
			all[name] += "\n" + m.String()
		}
	}
	return all
}

// netDevices makes devices below a directory that stands for /sys.
func netDevices(t *testing.T, devices map[string]string) string {
	t.Helper()
	sys := t.TempDir()
	net := filepath.Join(sys, "class", "net")
	for name, files := range devices {
		if err := os.MkdirAll(filepath.Join(net, name, "power"), 0o755); err != nil {
			t.Fatal(err)
		}
		for file := range strings.FieldsSeq(files) {
			file, text, _ := strings.Cut(file, "=")
			if err := os.WriteFile(filepath.Join(net, name, file), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(net, "bonding_masters"), []byte("bond0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return sys
}

// TestNetclassIsUpstreams holds that our reader of network devices gives what
// upstream's does: on this host, and for devices of every kind.
func TestNetclassIsUpstreams(t *testing.T) {
	newHost(t)
	numbers := "addr_assign_type=3 carrier=1 carrier_changes=7 carrier_up_count=4 carrier_down_count=3 dev_id=0x20 dormant=1 flags=0x1003 ifindex=2 iflink=5 link_mode=0 mtu=1500 name_assign_type=4 netdev_group=0 tx_queue_len=1000 type=1"
	for name, sys := range map[string]string{
		"host": "/sys",
		"devices": netDevices(t, map[string]string{
			"eth0":   numbers + " address=01:02:03:04:05:06 broadcast=ff:ff:ff:ff:ff:ff duplex=full ifalias=uplink operstate=up speed=10000 phys_port_id= uevent=INTERFACE=eth0",
			"lo":     "flags=0x9 operstate=unknown mtu=65536 type=772",
			"down0":  "flags=0x1002 operstate=down speed=-1 carrier=",
			"empty0": "",
			"odd0":   "mtu=many speed= flags= ifalias=" + strings.Repeat("x", 200) + " operstate=UP",
		}),
	} {
		t.Run(name, func(t *testing.T) {
			setFlag(t, "path.sysfs", sys)
			upstream, err := collector.NewNetClassCollector(slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := newNetclass()
			if err != nil {
				t.Fatal(err)
			}
			want := gather(t, updated(upstream.Update))
			got := gather(t, updated(func(ch chan<- prometheus.Metric) error { return ours.Update(context.Background(), ch) }))
			if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
				t.Errorf("upstream's and ours (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNetclassChoice holds what is left out: devices by their names, speeds that
// nobody knows, and everything where there is no /sys.
func TestNetclassChoice(t *testing.T) {
	newHost(t)
	c, err := newNetclass()
	if err != nil {
		t.Fatal(err)
	}
	c.dir = filepath.Join(netDevices(t, map[string]string{"eth0": "speed=10 mtu=1500", "veth1": "mtu=9000", "down0": "speed=-1"}), "class", "net")
	c.ignored, c.validSpeed = regexp.MustCompile("^veth"), true
	got := gather(t, updated(func(ch chan<- prometheus.Metric) error { return c.Update(context.Background(), ch) }))
	for name, want := range map[string]int{"node_network_speed_bytes": 1, "node_network_mtu_bytes": 1, "node_network_up": 2, "node_network_info": 2} {
		if n := len(got[name].GetMetric()); n != want {
			t.Errorf("%d series of %s, want %d", n, name, want)
		}
	}
	if v := got["node_network_speed_bytes"].GetMetric()[0].GetGauge().GetValue(); v != 1250000 {
		t.Errorf("speed %v, want 1250000", v)
	}
	c.dir = filepath.Join(t.TempDir(), "none")
	if err := c.Update(context.Background(), make(chan prometheus.Metric)); err != errNoData {
		t.Errorf("without /sys: %v, want %v", err, errNoData)
	}
}
