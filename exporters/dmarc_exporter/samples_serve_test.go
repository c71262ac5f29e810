package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// serve runs the exporter until the test ends and returns its address.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	address := realtest.FreeAddress(t)
	args = append([]string{"serve", "--web.listen-address=" + address, "--log.level=error"}, args...)
	app, f := newApp()
	var out bytes.Buffer
	if _, _, ok := exporter.Parse(app, args, &out, &out); !ok {
		t.Fatal(out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- runServe(ctx, f, testLog{t}) }()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitOK {
			t.Errorf("exit code %d", code)
		}
	})
	return address
}

// testLog sends what the exporter logs to the test.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// scrape returns the series of /metrics as "name{labels}" → value.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	series, err := seriesOf(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

// seriesOf reads the series of a page of metrics.
func seriesOf(page io.Reader) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page)
	if err != nil {
		return nil, err
	}
	series := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			series[name+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return series, nil
}

// eventually polls until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("not in time: " + what)
		}
	}
}

// TestServedSamples compares /metrics with sums that the standard library
// alone gets out of the sample files.
func TestServedSamples(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(sampleDir, "*"))
	if err != nil || len(all) < 50 {
		t.Fatalf("%d samples, error %v", len(all), err)
	}
	want := independentSums(t, all...)
	address := serve(t, "--source.dir="+sampleDir, "--source.refused=keep", "--state.file="+filepath.Join(t.TempDir(), "state.db"), "--state.horizon=36500d")
	var got map[string]float64
	eventually(t, "all samples read", func() bool {
		got = map[string]float64{}
		for name, value := range scrape(t, address) {
			for _, prefix := range []string{"dmarc_messages_total", "dmarc_tls_sessions_total", "dmarc_reporter_messages_total", "dmarc_reports_duplicate_total"} {
				if strings.HasPrefix(name, prefix+"{") {
					got[name] = value
				}
			}
		}
		return cmp.Equal(want, got)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// feedback is as much of an aggregate report as the sums need.
type feedback struct {
	Org    string `xml:"report_metadata>org_name"`
	ID     string `xml:"report_metadata>report_id"`
	Domain string `xml:"policy_published>domain"`
	Record []struct {
		Count       int    `xml:"row>count"`
		Disposition string `xml:"row>policy_evaluated>disposition"`
		DKIM        string `xml:"row>policy_evaluated>dkim"`
		SPF         string `xml:"row>policy_evaluated>spf"`
	} `xml:"record"`
}

type tlsFeedback struct {
	Policies []struct {
		Policy struct {
			Type   string `json:"policy-type"`
			Domain string `json:"policy-domain"`
		} `json:"policy"`
		Summary struct {
			Successful float64 `json:"total-successful-session-count"`
			Failed     float64 `json:"total-failure-session-count"`
		} `json:"summary"`
	} `json:"policies"`
}

// independentSums reads samples without any code of this repository.
func independentSums(t *testing.T, files ...string) map[string]float64 {
	t.Helper()
	sums := map[string]float64{"dmarc_reports_duplicate_total{}": 0}
	seen := map[string]bool{}
	for _, file := range files {
		text := independentText(t, file)
		if bytes.HasPrefix(text, []byte("{")) {
			var r tlsFeedback
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Policies {
				series := "dmarc_tls_sessions_total{domain=" + p.Policy.Domain + ",policy_type=" + p.Policy.Type + ",result="
				sums[series+"successful}"] += p.Summary.Successful
				sums[series+"failed}"] += p.Summary.Failed
			}
			continue
		}
		var r feedback
		if xml.Unmarshal(text, &r) != nil {
			continue
		}
		key := r.Org + "\x00" + r.ID
		if seen[key] {
			sums["dmarc_reports_duplicate_total{}"]++
			continue
		}
		seen[key] = true
		for _, record := range r.Record {
			sums["dmarc_reporter_messages_total{reporter="+r.Org+"}"] += float64(record.Count)
			sums["dmarc_messages_total{disposition="+record.Disposition+",dkim="+record.DKIM+",domain="+r.Domain+",spf="+record.SPF+"}"] += float64(record.Count)
		}
	}
	return sums
}

// independentText returns the report in a sample; nothing for those that are none or damaged.
func independentText(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch filepath.Ext(path) {
	case ".zip":
		z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := z.File[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		file, err = io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return file
	case ".eml":
		_, attachment, found := strings.Cut(string(file), ".xml.gz\"\r\n\r\n")
		if !found {
			return nil
		}
		attachment, _, _ = strings.Cut(attachment, "--")
		if file, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(attachment, "\r\n", "")); err != nil {
			t.Fatal(err)
		}
		fallthrough
	case ".gz":
		r, err := gzip.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil
		}
		return text
	}
	return file
}
