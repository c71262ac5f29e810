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
	runner := newCollector(map[string]updater{
		"empty": updateFunc(func(chan<- prometheus.Metric) error { return fmt.Errorf("%w: here", errNoData) }),
		"hang":  updateFunc(func(chan<- prometheus.Metric) error { <-release; return nil }),
	}, 10*time.Millisecond, slog.New(slog.DiscardHandler))
	var errs []error
	metrictest.MetricsDoc(t, "Metrics of node_exporter beyond upstream's", "../../docs/metrics/node.md",
		runner, alone{newContainers(sysfs, rootfs, 0), &errs}, alone{certificates, &errs})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}
