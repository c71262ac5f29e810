package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/internal/grafana"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestNewcomer does what README.md and docs/install.md say, from the configuration
// of a mailbox to the dashboard: with a private Dovecot and each Prometheus that
// there is, which are those of the path and of NEWCOMER_PROMETHEUS. An hour after
// the first import no panel may be empty or 0 that should not be, and no critical
// alert may be on its way.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	tools := realtest.Need(t, "prometheus", "promtool")
	readme, install := page(t, "README.md"), page(t, "docs/install.md")
	server := realtest.Dovecot(t)
	const user = "reports@example.com"
	server.Seed(t, user, "INBOX", newcomerMails(t)...)

	dir := t.TempDir()
	config := strings.NewReplacer(
		"imap.example.com:993", server.IMAPS+"\n    tls: {ca_file: "+filepath.Join(server.Dir, "cert.pem")+"}",
	).Replace(readme.block(t, "# config.yml\n"))
	for name, text := range map[string]string{"config.yml": config, "password": realtest.DovecotPassword + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := realtest.FreeAddress(t)
	commands := strings.Split(strings.TrimSpace(readme.block(t, "dmarc_exporter check-config --connect")), "\n")
	shell := func(line string) *exec.Cmd {
		cmd := exec.Command("sh", "-c", "exec "+line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(realtest.Linked(t, "dmarc_exporter"))+":"+os.Getenv("PATH"), "DMARC_EXPORTER_WEB_LISTEN_ADDRESS="+address)
		return cmd
	}
	if len(commands) != 2 {
		t.Fatalf("README.md has the commands %q, want one that checks and one that serves", commands)
	}
	if out, err := shell(commands[0]).CombinedOutput(); err != nil || !strings.Contains(string(out), "select folder INBOX") {
		t.Fatalf("%s: %v\n%s", commands[0], err, out)
	}
	realtest.Start(t, shell(commands[1]))
	realtest.Eventually(t, "the exporter ready and the mailbox read", func() bool {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		series := scrape(t, address)
		return resp.StatusCode == http.StatusOK && series["dmarc_compliant_messages_total{domain=example.com}"] == newcomerPass && len(server.Mails(t, user, "INBOX")) == 0
	})
	if done, refused := len(server.Mails(t, user, "DMARC")), len(server.Mails(t, user, "Refused")); done != newcomerReports+1 || refused != 1 {
		t.Errorf("%d mails are in DMARC and %d in Refused, want %d and 1", done, refused, newcomerReports+1)
	}

	binaries := []string{tools["prometheus"]}
	binaries = append(binaries, filepath.SplitList(os.Getenv("NEWCOMER_PROMETHEUS"))...)
	for _, binary := range binaries {
		version, _ := exec.Command(binary, "--version").CombinedOutput()
		t.Run(strings.Join(strings.Fields(string(version))[:3], " "), func(t *testing.T) {
			p := startNewcomer(t, binary, tools["promtool"], address, install)
			p.check(t)
		})
	}
}

const (
	// newcomerReports is how many reports the mailbox of TestNewcomer has, and
	// newcomerPass how many of their messages pass.
	newcomerReports = 3*20 + 1
	newcomerPass    = 20 * (100 + 40)
)

// newcomerMails are reports of three reporters about the last 20 days, a TLS
// report, a copy, and a mail that is no report.
func newcomerMails(t *testing.T) (mails [][]byte) {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	period := func(end time.Time) string {
		return fmt.Sprintf("<begin>%d</begin><end>%d</end>", end.Add(-24*time.Hour).Unix(), end.Unix())
	}
	for i, messages := range []int{100, 40, 7} {
		for day := range 20 {
			report := ingesttest.Report(fmt.Sprintf("r%d-%d", i, day), messages)
			report = bytes.ReplaceAll(report, []byte("Example Mail Corp"), fmt.Appendf(nil, "Reporter %d", i))
			report = bytes.ReplaceAll(report, []byte(period(today)), []byte(period(today.AddDate(0, 0, -day))))
			if i == 2 { // spoofed
				report = bytes.ReplaceAll(report, []byte("<dkim>pass</dkim>"), []byte("<dkim>fail</dkim>"))
			}
			mails = append(mails, letter(t, fmt.Sprintf("%d-%d", i, day), report, day%2 == 0))
		}
	}
	const stamp = "2006-01-02T15:04:05Z"
	tls := fmt.Sprintf(`{"organization-name":"Reporter 0","date-range":{"start-datetime":%q,"end-datetime":%q},"contact-info":"tls@mail.example","report-id":"t1",`+
		`"policies":[{"policy":{"policy-type":"sts","policy-domain":"example.com"},"summary":{"total-successful-session-count":90,"total-failure-session-count":3},`+
		`"failure-details":[{"result-type":"certificate-expired","failed-session-count":3}]}]}`, today.AddDate(0, 0, -1).Format(stamp), today.Add(-time.Second).Format(stamp))
	return append(mails, letter(t, "tls", []byte(tls), true), mails[0], []byte("From: a@b.example\nMessage-ID: <x@b.example>\n\nNo report.\n"))
}

// document is a page of the repository.
type document struct{ name, text string }

func page(t *testing.T, name string) document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return document{name, string(text)}
}

// block returns the code block that begins with a text.
func (d document) block(t *testing.T, begin string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```\\w*\n(.*?)^```").FindAllStringSubmatch(d.text, -1) {
		if strings.HasPrefix(m[1], begin) {
			return m[1]
		}
	}
	t.Fatalf("%s has no block that begins with %q", d.name, begin)
	return ""
}

// newcomer is a Prometheus as docs/install.md configures it.
type newcomer struct{ url string }

// startNewcomer starts one that has scraped the exporter for an hour: what it
// shows now was there all the time.
func startNewcomer(t *testing.T, binary, promtool, address string, install document) *newcomer {
	t.Helper()
	dir := t.TempDir()
	config := strings.NewReplacer("localhost:9797", address, "interval: 30s", "interval: 1s").Replace(install.block(t, "# prometheus.yml\n"))
	rules, err := filepath.Abs("../../rules/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(rules, filepath.Join(dir, "rules")); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sh", "-c", strings.TrimSpace(install.block(t, "promtool check config")))
	check.Dir, check.Env = dir, append(os.Environ(), "PATH="+filepath.Dir(promtool)+":"+os.Getenv("PATH"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	history := filepath.Join(dir, "history.txt")
	if err := os.WriteFile(history, hourOf(t, address), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", history, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	p := &newcomer{realtest.FreeAddress(t)}
	realtest.Start(t, exec.Command(binary, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.url))
	return p
}

// hourOf makes OpenMetrics of what an exporter exposes, as if it had been so for an hour.
func hourOf(t *testing.T, address string) []byte {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	target := fmt.Sprintf(`job="dmarc",instance=%q`, address)
	lines := append(strings.Split(strings.TrimSpace(string(text)), "\n"), "up 1")
	now := time.Now().Truncate(time.Second)
	var b bytes.Buffer
	for _, line := range lines {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value := line[:strings.LastIndexByte(line, ' ')], line[strings.LastIndexByte(line, ' ')+1:]
		metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		for at := now.Add(-time.Hour); at.Before(now); at = at.Add(30 * time.Second) {
			fmt.Fprintf(&b, "%s{%s} %s %d\n", metric, strings.TrimSuffix(target+","+labels, ","), value, at.Unix())
		}
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}

// get asks the API of Prometheus.
func (p *newcomer) get(path string, query url.Values, data any) error {
	resp, err := http.Get("http://" + p.url + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return nil
}

// value returns how many series an expression has now, and the sum of their values.
func (p *newcomer) value(expr string) (n int, sum float64, err error) {
	var data struct{ Result []struct{ Value sample } }
	err = p.get("query", url.Values{"query": {expr}}, &data)
	for _, r := range data.Result {
		sum += r.Value.value
	}
	return len(data.Result), sum, err
}

// graph returns the sum of all points of an expression in the hours that a dashboard shows.
func (p *newcomer) graph(expr string) (sum float64, err error) {
	var data struct{ Result []struct{ Values []sample } }
	now := time.Now()
	err = p.get("query_range", url.Values{"query": {expr}, "step": {"30"}, "start": {fmt.Sprint(now.Add(-6 * time.Hour).Unix())}, "end": {fmt.Sprint(now.Unix())}}, &data)
	for _, r := range data.Result {
		for _, point := range r.Values {
			sum += point.value
		}
	}
	return sum, err
}

// sample is a value with its time, which does not matter.
type sample struct{ value float64 }

func (s *sample) UnmarshalJSON(b []byte) error {
	var pair [2]any
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	text, _ := pair[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if !math.IsNaN(value) {
		s.value = value
	}
	return err
}

// check holds that the dashboard shows what was counted, and that no critical
// alert fires or waits to fire.
func (p *newcomer) check(t *testing.T) {
	t.Helper()
	realtest.Eventually(t, "the rules evaluated", func() bool { n, _, err := p.value("domain:dmarc_messages:window"); return err == nil && n > 0 })
	shown, empty := map[string]int{}, map[string]int{}
	for _, panel := range panels(t, opened...) {
		_, sum, err := p.value(panel.expr)
		points, err2 := p.graph(panel.expr)
		if err := errors.Join(err, err2); err != nil {
			t.Errorf("%s: %v", panel.title, err)
		}
		if sum == 0 && points == 0 {
			empty[panel.title]++
		} else {
			shown[panel.title]++
		}
	}
	// No alert fires, no failure report came, nothing was repaired, no conflict, SPF never passed,
	// and without trust nothing is authenticated.
	want := map[string]int{"Firing now": 1, "Failure reports": 1, "Tolerated deviations": 1, "Duplicates and conflicts": 1, "Alignment": 1, "Authentication of report mails": 1}
	if diff := cmp.Diff(want, empty); diff != "" || len(shown) < 19 {
		t.Errorf("panels with expressions that show nothing (-want +got):\n%s%d others show something", diff, len(shown))
	}
	if _, sum, err := p.value(titled(t, "Reports counted (24 h)")); err != nil || sum != newcomerReports {
		t.Errorf("reports counted in 24 h: %g, want %d (%v)", sum, newcomerReports, err)
	}
	var alerts struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if err := p.get("alerts", nil, &alerts); err != nil {
		t.Error(err)
	}
	for _, a := range alerts.Alerts {
		if a.Labels["severity"] == "critical" {
			t.Errorf("%s is %s: %v", a.Labels["alertname"], a.State, a.Labels)
		}
	}
}

type panel struct{ title, expr string }

// titled returns the expression of a panel of the dashboard.
func titled(t *testing.T, title string) string {
	t.Helper()
	for _, p := range panels(t, opened...) {
		if p.title == title {
			return p.expr
		}
	}
	t.Fatalf("no panel %s", title)
	return ""
}

// opened are values of the variables about time as a dashboard opens.
var opened = []string{"$__rate_interval", "2m", "$__interval", "30s", "$__range", "6h"}

// panels are the expressions of the reports dashboard, with all values of its
// variables and these of the variables about time.
func panels(t *testing.T, times ...string) (all []panel) {
	t.Helper()
	_, queries, err := grafana.Read("../../dashboards/dmarc-reports.json")
	if err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer(append([]string{"$cluster", ".*", "$job", "dmarc", "$instance", ".+", "$domain", ".+"}, times...)...)
	for _, q := range queries {
		if q.RefID != "" { // It is not a variable's.
			all = append(all, panel{q.Panel, values.Replace(q.Expr)})
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d expressions in the reports dashboard, want more", len(all))
	}
	return all
}
