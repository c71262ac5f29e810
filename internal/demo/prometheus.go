package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// scrapeInterval is short, so that a few seconds make a rate.
const scrapeInterval = 5 * time.Second

// startPrometheus starts Prometheus with the targets and rules of the demo.
func startPrometheus(d *demo) api {
	address := realtest.FreeAddress(d.host)
	d.targets = append(d.targets, target{job: "prometheus", address: address})
	config := d.write("prometheus.yml", prometheusConfig(filepath.Join(d.dir, "rules"), d.targets, strings.TrimPrefix(d.alertmanager, "http://")))
	cmd := exec.Command(prometheusProgram(d.host), "--config.file="+config, "--storage.tsdb.path="+d.mkdir("tsdb"),
		"--storage.tsdb.retention.time=35d", "--web.listen-address="+address, "--log.level=warn")
	p := realtest.Start(d.host, cmd)
	a := api{"http://" + address}
	p.WaitFor(d.host, func() error { return a.get(context.Background(), "/-/ready", nil, nil) })
	return a
}

func prometheusConfig(rules string, targets []target, alertmanager string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global:\n  scrape_interval: %s\n  scrape_timeout: 4s\n  evaluation_interval: %s\n", scrapeInterval, scrapeInterval)
	fmt.Fprintf(&b, "alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n", alertmanager)
	fmt.Fprintf(&b, "rule_files: [%q]\nscrape_configs:\n", rules+"/*.yaml")
	jobs := map[string]bool{}
	for _, t := range targets {
		if !jobs[t.job] {
			fmt.Fprintf(&b, "  - job_name: %s\n    static_configs:\n", t.job)
		}
		jobs[t.job] = true
		fmt.Fprintf(&b, "      - {targets: [%q]", t.address)
		if t.name != "" {
			fmt.Fprintf(&b, ", labels: {instance: %q}", t.name)
		}
		fmt.Fprintln(&b, "}")
	}
	return b.String()
}

// asker asks Prometheus and Alertmanager.
var asker = &http.Client{Timeout: 20 * time.Second}

// api is that of a Prometheus.
type api struct{ url string }

// get asks and decodes the data of the answer, unless data is nil.
func (a api) get(ctx context.Context, path string, query url.Values, data any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{}).Do(r) // the context ends it
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if data == nil {
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, answer.Status)
		}
		return nil
	}
	var whole struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&whole); err != nil {
		return fmt.Errorf("%s: %s: %w", path, answer.Status, err)
	}
	if whole.Status != "success" {
		return fmt.Errorf("%s: %s", path, whole.Error)
	}
	return json.Unmarshal(whole.Data, data)
}

// hasData reports whether an expression had a number in the last half minute.
func (a api) hasData(ctx context.Context, expr string) (bool, error) {
	now := time.Now()
	query := url.Values{
		"query": {expr}, "step": {"5"},
		"start": {strconv.FormatInt(now.Add(-30*time.Second).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)},
	}
	var data struct {
		Result []struct {
			Values [][2]any // time and number, which is a text
		}
	}
	if err := a.get(ctx, "/api/v1/query_range", query, &data); err != nil {
		return false, err
	}
	for _, series := range data.Result {
		for _, v := range series.Values {
			if v[1] != "NaN" {
				return true, nil
			}
		}
	}
	return false, nil
}

// down returns the targets that are not up, with the reason; want is how many
// there should be.
func (a api) down(ctx context.Context, want int) (down []string, err error) {
	var data struct {
		ActiveTargets []struct {
			Labels            map[string]string
			Health, LastError string
		}
	}
	err = a.get(ctx, "/api/v1/targets", url.Values{"state": {"active"}}, &data)
	if n := len(data.ActiveTargets); err == nil && n != want {
		down = append(down, fmt.Sprintf("Prometheus has %d targets, want %d", n, want))
	}
	for _, t := range data.ActiveTargets {
		if t.Health != "up" {
			down = append(down, fmt.Sprintf("%s is %s: %s", t.Labels["job"], t.Health, t.LastError))
		}
	}
	return down, err
}

// badRules returns the rules that fail or have not been evaluated, and how many
// there are in all.
func (a api) badRules(ctx context.Context) (bad []string, all int, err error) {
	var data struct {
		Groups []struct {
			Name  string
			Rules []struct{ Name, Health, LastError string }
		}
	}
	err = a.get(ctx, "/api/v1/rules", nil, &data)
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			all++
			if r.Health != "ok" {
				bad = append(bad, fmt.Sprintf("%s of %s is %s: %s", r.Name, g.Name, r.Health, r.LastError))
			}
		}
	}
	return bad, all, err
}

// firing returns the alerts that fire, as "Name" or "Name of objective".
func (a api) firing(ctx context.Context) (map[string]bool, error) {
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	err := a.get(ctx, "/api/v1/alerts", nil, &data)
	out := map[string]bool{}
	for _, alert := range data.Alerts {
		if alert.State != "firing" {
			continue
		}
		out[nameOf(alert.Labels)] = true
	}
	return out, err
}

func nameOf(labels map[string]string) string {
	if slo := labels["slo"]; slo != "" {
		return labels["alertname"] + " of " + slo
	}
	return labels["alertname"]
}
