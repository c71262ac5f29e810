package tests

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const alertmanagerConfig = "../../rules/alertmanager.yaml"

// TestRoutes checks who hears of what.
func TestRoutes(t *testing.T) {
	amtool := tool(t, "amtool", "prometheus-alertmanager")
	run(t, amtool, "check-config", alertmanagerConfig)
	for _, c := range []struct{ receiver, label, severity string }{
		{"page", "alertname=PostgresDown", "severity=critical"},
		{"ticket", "alertname=SLOBudgetBurn3d", "severity=warning"},
		{"null", "alertname=NodeRestarted", "severity=info suite=dmarc-suite"},
		{"default", "alertname=Foreign", "severity=info"},
		{"watchdog", "alertname=DMARCSuiteWatchdog", "severity=info"},
		{"default", "alertname=Foreign", "severity=unknown"},
	} {
		run(t, amtool, append([]string{"config", "routes", "test", "--config.file=" + alertmanagerConfig, "--verify.receivers=" + c.receiver, c.label}, strings.Fields(c.severity)...)...)
	}
}

// TestInhibitions asks a real Alertmanager which alerts it mutes.
func TestInhibitions(t *testing.T) {
	url := startAlertmanager(t)
	amtool := tool(t, "amtool", "prometheus-alertmanager")
	const page, ticket = "severity=critical", "severity=warning"
	for _, c := range []struct {
		name         string
		heard, muted []string // an alert is its name and labels
	}{
		{
			"a page of an objective mutes its tickets",
			[]string{"SLOBudgetBurn6h slo=a " + page, "SLOBudgetBurn1d slo=b " + ticket},
			[]string{"SLOBudgetBurn1d slo=a " + ticket, "SLOBudgetBurn3d slo=a " + ticket},
		},
		{
			"the faster page mutes the slower one",
			[]string{"SLOBudgetBurn1h slo=a " + page, "SLOBudgetBurn6h slo=b " + page},
			[]string{"SLOBudgetBurn6h slo=a " + page},
		},
		{
			"the less is left, the fewer speak of it",
			[]string{"SLOBudgetExhausted slo=a", "SLOBudgetFreeze slo=b", "SLOBudgetLow slo=c", "SLOBudgetHalfSpent slo=d"},
			[]string{
				"SLOBudgetFreeze slo=a", "SLOBudgetLow slo=a", "SLOBudgetHalfSpent slo=a",
				"SLOBudgetLow slo=b", "SLOBudgetHalfSpent slo=b", "SLOBudgetHalfSpent slo=c",
			},
		},
		{
			"an exporter that is down mutes what it watches, and no other host",
			[]string{"NodeExporterDown instance=a", "NodeCPUHigh instance=b", "PostgresDown instance=a"},
			[]string{"NodeCPUHigh instance=a", "ContainerThrottled instance=a"},
		},
		{
			"an exporter that is nowhere mutes all of its kind",
			[]string{"NginxExporterAbsent", "RedisDown instance=a"},
			[]string{"HTTPErrorRatioHigh instance=a", "NginxAccessLogDown instance=b"},
		},
		{
			"nothing mutes the watchdog",
			[]string{"DMARCExporterAbsent", "DMARCExporterDown instance=a", "DMARCSuiteWatchdog"},
			[]string{"DMARCSourceDown instance=a"},
		},
		{
			"a system that does not answer mutes the rest of it",
			[]string{"PostgresDown instance=a", "PostgresExporterDown instance=b", "PostgresDeadlocks instance=c"},
			[]string{"PostgresConnectionsHigh instance=a"},
		},
		{
			"a certificate that is about to expire mutes that it expires soon",
			[]string{"CertificateExpires instance=a path=/x", "CertificateExpiresSoon instance=a path=/y " + ticket, "CertificateExpiresSoon instance=b path=/x " + ticket},
			[]string{"CertificateExpiresSoon instance=a path=/x " + ticket},
		},
		{
			"an exporter that is down mutes the objective of scrapes",
			[]string{"RedisExporterDown instance=a", "SLOBudgetBurn1h slo=latency"},
			[]string{"SLOBudgetBurn1h slo=scrapes"},
		},
		{
			"alerts of others are never muted, whatever their names",
			[]string{
				"NodeExporterAbsent", "PostgresExporterAbsent", "RedisExporterDown instance=a", "NginxExporterAbsent",
				"NodeRAIDDegraded suite= instance=a " + page, "PostgresqlDown suite= instance=a " + page, "RedisOutOfMemory suite= instance=a " + page,
				"HTTPProbeFailed suite= " + page, "ContainerKilled suite= " + page, "SLOBudgetBurn6h suite= slo=a " + page,
			},
			nil,
		},
		{
			"one environment does not mute another",
			[]string{
				"RedisExporterAbsent cluster=staging", "RedisDown cluster=prod instance=a", "SLOBudgetBurn1h cluster=staging slo=a " + page,
				"SLOBudgetBurn6h cluster=prod slo=a " + page, "PostgresDown cluster=prod namespace=x instance=a",
				"PostgresDeadlocks cluster=prod namespace=y instance=a",
			},
			[]string{"RedisQueueLong cluster=staging", "SLOBudgetBurn6h cluster=staging slo=a " + page},
		},
		{
			"an exporter that is down mutes that its objectives have no data",
			[]string{"NginxExporterDown instance=a", "SLONoData slo=tasks", "SLONoData slo=latency cluster=other"},
			[]string{"SLONoData slo=latency"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := slices.Concat(c.heard, c.muted)
			send(t, url, all, time.Hour)
			defer send(t, url, all, -time.Second)
			for state, want := range map[string][]string{"--active": c.heard, "--inhibited": c.muted} {
				got := queryAlerts(t, amtool, url, state, all)
				slices.Sort(want)
				if len(got) == 0 && len(want) == 0 {
					continue
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: got %q, want %q", state, got, want)
				}
			}
		})
	}
}

// startAlertmanager starts one with our configuration and returns its URL.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	program := tool(t, "prometheus-alertmanager", "prometheus-alertmanager")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var output bytes.Buffer
	cmd := exec.Command(program, "--config.file="+alertmanagerConfig, "--storage.path="+t.TempDir(),
		"--cluster.listen-address=", "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // It was told to end.
		if t.Failed() {
			t.Logf("%s", tail(output.Bytes()))
		}
	})
	url := "http://" + address
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(url + "/-/ready")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return url
			}
		}
		if time.Now().After(limit) {
			t.Fatalf("Alertmanager is not ready: %v", err)
		}
	}
}

// send tells Alertmanager that alerts fire for a time, or have ended if that is
// negative.
func send(t *testing.T, url string, alerts []string, lasts time.Duration) {
	t.Helper()
	type alert struct {
		Labels   map[string]string `json:"labels"`
		StartsAt time.Time         `json:"startsAt"`
		EndsAt   time.Time         `json:"endsAt"`
	}
	var all []alert
	for _, text := range alerts {
		words := strings.Fields(text)
		a := alert{map[string]string{"alertname": words[0], "suite": "dmarc-suite"}, time.Now().Add(-time.Minute), time.Now().Add(lasts)}
		for _, w := range words[1:] {
			if k, v, _ := strings.Cut(w, "="); v != "" {
				a.Labels[k] = v
			} else {
				delete(a.Labels, k) // "suite=" is an alert of others
			}
		}
		all = append(all, a)
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("Alertmanager says %s", answer.Status)
	}
}

// queryAlerts returns those of all that are in a state, sorted.
func queryAlerts(t *testing.T, amtool, url, state string, all []string) []string {
	t.Helper()
	out, err := exec.Command(amtool, "--alertmanager.url="+url, "alert", "query", state, "--output=json").Output()
	if err != nil {
		t.Fatalf("amtool: %v", err)
	}
	var alerts []struct{ Labels map[string]string }
	if err := json.Unmarshal(out, &alerts); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range alerts {
		i := slices.IndexFunc(all, func(text string) bool { return sameLabels(text, a.Labels) })
		if i < 0 {
			t.Fatalf("Alertmanager has a foreign alert: %v", a.Labels)
		}
		got = append(got, all[i])
	}
	slices.Sort(got)
	return got
}

func sameLabels(text string, labels map[string]string) bool {
	words := strings.Fields(text)
	want := map[string]string{"alertname": words[0], "suite": "dmarc-suite"}
	for _, w := range words[1:] {
		if k, v, _ := strings.Cut(w, "="); v != "" {
			want[k] = v
		} else {
			delete(want, k)
		}
	}
	return maps.Equal(want, labels)
}
