package node

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestMetricsDoc keeps docs/metrics/node.md equal to what is not upstream's.
func TestMetricsDoc(t *testing.T) {
	sysfs, rootfs := newFixture(t)
	der, _ := newCertificate(t, time.Unix(2_000_000_000, 0))
	write(t, rootfs, map[string]string{"cert.der": string(der)})
	certificates, err := newCertificates(rootfs, []string{"/cert.der"})
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	defer close(release)
	log := slog.New(slog.DiscardHandler)
	empty := newCollector(map[string]updater{"empty": updateFunc(func(chan<- prometheus.Metric) error { return fmt.Errorf("%w: here", errNoData) })}, 0, log)
	stuck := newCollector(map[string]updater{"stuck": updateFunc(func(chan<- prometheus.Metric) error { <-release; return nil })}, time.Millisecond, log)
	var errs [3]error
	metrictest.MetricsDoc(t, "Metrics of node_exporter beyond upstream's", "../../docs/metrics/node.md",
		empty, alone{updateFunc(func(ch chan<- prometheus.Metric) error { stuck.Collect(ch); return nil }), &errs[0]},
		alone{newContainers(sysfs, rootfs, 0), &errs[1]}, alone{certificates, &errs[2]})
	if err := errors.Join(errs[:]...); err != nil {
		t.Error(err)
	}
}
