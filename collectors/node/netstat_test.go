//go:build linux

package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

// netFiles makes files below a directory that stands for /proc.
func netFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	proc := t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "net"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(proc, "net", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

// setFlag sets a flag of upstream for a test.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	flag := kingpin.CommandLine.GetFlag(name).Model().Value
	before := flag.String()
	if err := flag.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(before) })
}

// TestNetstatIsUpstreams holds that our reader of network statistics shows what
// upstream's does, at first and again when lines have changed.
func TestNetstatIsUpstreams(t *testing.T) {
	newHost(t)
	const netstat = "TcpExt: SyncookiesSent ListenDrops PAWSActive\nTcpExt: 1 2 3\nIpExt: InNoRoutes InOctets\nIpExt: 4 9007199254740993\n"
	const snmp = "Ip: Forwarding DefaultTTL InErrors\nIp: 1 64 -1\nIcmpMsg: InType3\nIcmpMsg: 4\nUdp: InDatagrams NoPorts InErrors\nUdp: 5 6 7\n"
	const snmp6 = "Ip6InReceives 1\nIp6InOctets   \t 18446744073709551615\nIcmp6InErrors 3\nNoNumber\nNothing 5\nUdp6InDatagrams 7\n"
	long := "TcpExt: ListenX" + strings.Repeat(" Unknown", 4000) + "\nTcpExt: 7" + strings.Repeat(" 0", 4000) + "\n"
	for name, files := range map[string]map[string]string{
		"host":         nil,
		"all":          {"netstat": netstat, "snmp": snmp, "snmp6": snmp6},
		"without IPv6": {"netstat": netstat, "snmp": snmp},
		"empty":        {"netstat": "", "snmp": "", "snmp6": ""},
		"no line end":  {"netstat": strings.TrimSuffix(netstat, "\n"), "snmp": snmp, "snmp6": strings.TrimSuffix(snmp6, "\n")},
		"long":         {"netstat": long, "snmp": snmp},
		"mismatch":     {"netstat": "TcpExt: A B\nTcpExt: 1\n", "snmp": snmp},
		"half a pair":  {"netstat": netstat + "IpExt: InOctets\n", "snmp": snmp},
		"no number":    {"netstat": netstat, "snmp": "Udp: InErrors\nUdp: x\n"},
		"no number 6":  {"netstat": netstat, "snmp": snmp, "snmp6": "Ip6InOctets x\n"},
		"no netstat":   {"snmp": snmp},
		"no snmp":      {"netstat": netstat},
	} {
		t.Run(name, func(t *testing.T) {
			proc := "/proc"
			if files != nil {
				proc = netFiles(t, files)
			}
			setFlag(t, "path.procfs", proc)
			upstream, err := collector.NewNetStatCollector(slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := newNetstat()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // What was seen before is remembered.
				var wantErr, gotErr error
				want := gather(t, updated(func(ch chan<- prometheus.Metric) error { wantErr = upstream.Update(ch); return nil }))
				got := gather(t, updated(func(ch chan<- prometheus.Metric) error { gotErr = ours.Update(context.Background(), ch); return nil }))
				if (wantErr == nil) != (gotErr == nil) {
					t.Fatalf("error %v, upstream's %v", gotErr, wantErr)
				}
				if wantErr != nil {
					return // Of what was read before the error upstream shows a part.
				}
				// Those of the host may grow in between.
				if proc == "/proc" {
					for _, all := range []map[string]string{texts(want), texts(got)} {
						for name := range all {
							if want[name].GetHelp() != got[name].GetHelp() || want[name].GetType() != got[name].GetType() {
								t.Errorf("%s: %v, upstream's %v", name, got[name], want[name])
							}
						}
					}
				} else if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
					t.Errorf("upstream's and ours (-want +got):\n%s", diff)
				}
				if files != nil && files["snmp"] == snmp {
					more := strings.Replace(snmp, "InType3\nIcmpMsg: 4", "InType3 InType8\nIcmpMsg: 5 6", 1)
					if err := os.WriteFile(filepath.Join(proc, "net", "snmp"), []byte(strings.Replace(more, "Udp: 5", "Udp: 50", 1)), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}
