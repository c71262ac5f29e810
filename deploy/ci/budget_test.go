package ci

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestBudget asks a Prometheus that answers as the real one does.
func TestBudget(t *testing.T) {
	realtest.Need(t, "curl", "jq")
	one := func(value string) string {
		return `{"status":"success","data":{"resultType":"vector","result":[
			{"metric":{"__name__":"slo:error_budget:remaining_ratio","slo":"latency"},"value":[1764115200,"0.9"]},
			{"metric":{"__name__":"slo:error_budget:remaining_ratio","slo":"availability"},"value":[1764115200,"` + value + `"]}]}}`
	}
	const none = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	tests := []struct {
		name, answer, reason string
		ok                   bool
		want                 string
	}{
		{"nothing is spent", one("0.001"), "", true, "no error budget is spent of 2"},
		{"a budget is spent", one("-0.2"), "", false, `spent: -0.2 {"slo":"availability"}: give a reason`},
		{"a budget is spent to the last", one("0"), "", false, "give a reason"},
		{"a budget is not a number", one("NaN"), "", false, "give a reason"},
		{"a budget is spent, for a reason", one("-0.2"), "this is the fix", true, "deployed because: this is the fix"},
		{"Prometheus has no data", none, "", false, "knows no error budget"},
		{"Prometheus has no data, for a reason", none, "it is being rebuilt", true, "knows no error budget (slo:error_budget:remaining_ratio has no data), but deployed because"},
		{"an error of the query", `{"status":"error","errorType":"bad_data","error":"parse error"}`, "", false, "knows no error budget"},
		{"a scalar", `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, "", false, "unexpected answer"},
		{"another server", `<html>`, "", false, "unexpected answer"},
		{"an empty answer", ``, "", false, "knows no error budget"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var query string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				query = r.URL.Query().Get("query")
				_, _ = w.Write([]byte(tt.answer)) // A client that has gone sees an error of its own.
			}))
			defer server.Close()
			out, ok := budget(server.URL, tt.reason)
			if ok != tt.ok || !strings.Contains(out, tt.want) {
				t.Errorf("ok %t, %q, want %t and …%s…", ok, out, tt.ok, tt.want)
			}
			if !strings.Contains(query, "slo:error_budget:remaining_ratio") {
				t.Errorf("query %q", query)
			}
		})
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]string{gone.URL: "cannot be asked", "": "PROMETHEUS_URL is not set"} {
		if out, ok := budget(url, ""); ok || !strings.Contains(out, want) {
			t.Errorf("URL %q: ok %t, %q, want …%s…", url, ok, out, want)
		}
	}
}

// budget runs the gate.
func budget(url, reason string) (output string, ok bool) {
	cmd := exec.Command("./budget")
	cmd.Env = append(os.Environ(), "PROMETHEUS_URL="+url, "OVERRIDE_REASON="+reason, "no_proxy=127.0.0.1")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}
