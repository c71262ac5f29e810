package tests

import (
	"strings"
	"testing"
)

// TestAssertions holds that a mixin whose alerts could never fire does not
// compile, and says why.
func TestAssertions(t *testing.T) {
	const base = `local config = (import 'config.libsonnet')._config;
local slo = import 'lib/slo.libsonnet';
local counter = slo.status('job="a"', 'http_requests_total', 'status_code=~"5.."', { status_code: ['200', '503'] });
local check(more, c=config) = slo.check(c, [{ name: 'x', title: 'X', objective: 0.99, text: '', shown: '', events: counter } + more]);
local windows(w) = config { slo+: { windows: [config.slo.windows[0] + w] } };
local alert(name, severity='warning') = (import 'lib/alert.libsonnet').new(config, name, 'up == 0', 'Summary.', 'Description.', 'x', {}, {}, severity);
`
	for _, c := range []struct{ name, text, want string }{
		{"a good one", `check({})`, ""},
		{"an objective of 100 %", `check({ objective: 1 })`, "x: the objective is not a share"},
		{"an objective in per cent", `check({ objective: 99.5 })`, "x: the objective is not a share"},
		{"a budget that no burn rate reaches", `check({ objective: 0.9 })`, "x: a burn rate can never be reached"},
		{"the same without alerts", `check({ objective: 0.9, alerting: false })`, ""},
		{"a short window as long as the long one", `check({}, windows({ short: '1h' }))`, "a short window is not shorter than its long one"},
		{"a window longer than the period", `check({}, windows({ long: '31d' }))`, "a window is longer than the period"},
		{
			"a threshold between buckets", `check({ events: slo.bucket('job="a"', 'http_request_duration_seconds', '0.3', {}) })`,
			"x: the threshold is no bucket boundary",
		},
		{"a threshold of one bucket", `check({ events: slo.bucket('job="a"', 'http_request_duration_seconds', '0.5', {}) })`, ""},
		{"two of one name", `slo.check(config, check({}) + check({}))`, "two objectives have the same name"},
		{"a long name of an alert", `alert('` + strings.Repeat("A", 41) + `')`, "is longer than 40 characters"},
		{"a name that just fits", `alert('` + strings.Repeat("A", 40) + `')`, ""},
		{"an unknown severity", `alert('A', 'urgent')`, "urgent is no severity"},
		{
			"a uid that Grafana refuses",
			`(import 'lib/dashboard.libsonnet').new(config, '` + strings.Repeat("u", 41) + `', 'T', 'D', ['dmarc'], [], [])`,
			"is longer than 40 characters",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := evaluate(base + c.text)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
