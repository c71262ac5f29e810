package tests

import (
	"regexp"
	"testing"
	"time"
)

// TestReadiness holds the verdicts of the panel about stricter policies: for each
// domain what is ready, or the first reason why it is not.
func TestReadiness(t *testing.T) {
	s := mixin(t)
	expr := ""
	for _, p := range s.Dashboards["dmarc-reports.json"].all() {
		if p.Title == "Ready for a stricter policy?" {
			expr = regexp.MustCompile(`=~"\$\w+"`).ReplaceAllString(p.Targets[0].Expr, `=~".*"`)
		}
	}
	if expr == "" {
		t.Fatal("no such panel")
	}
	series := map[string]string{`dmarc_state_created_timestamp_seconds{job="m", instance="a"}`: "0x1100"}
	window := func(domain, class, n string) {
		series[`dmarc_window_messages{job="m", instance="a", window="30d", domain="`+domain+`", class="`+class+`"}`] = n + "x1100"
	}
	sender := func(domain, source, compliant, n string) {
		series[`dmarc_messages_by_source_total{job="m", instance="a", domain="`+domain+`", source="`+source+`", compliant="`+compliant+`"}`] = "0x100 " + n + "x1000"
	}
	verdicts := map[string]float64{}
	domain := func(name, good, bad string, verdict float64) {
		window(name, "aligned_both", good)
		window(name, "unauthenticated", bad)
		verdicts[name] = verdict
	}
	domain("few.example", "50", "0", 0)
	domain("bad.example", "900", "100", 1)
	sender("bad.example", "Own Mailer", "true", "900")
	sender("bad.example", "Own Mailer", "false", "100")
	domain("unknown.example", "900", "100", 1) // Nobody is known who passes.
	domain("forged.example", "900", "100", 2)
	sender("forged.example", "Own Mailer", "true", "900")
	sender("forged.example", "Own Mailer", "false", "0")
	sender("forged.example", "other", "false", "100")
	domain("quarantine.example", "990", "10", 3)
	domain("reject.example", "999", "1", 4)
	domain("strict.example", "900", "100", 5)
	series[`dmarc_policy_published_info{job="m", instance="a", domain="strict.example", p="reject"}`] = "1x1100"
	series[`dmarc_policy_published_info{job="m", instance="a", domain="bad.example", p="none"}`] = "1x1100"

	l := look{800 * time.Hour, "Verdict"}
	groups := append(s.recordings(rule{Expr: expr}), group{Name: "test", Rules: []rule{{Alert: l.alert, Expr: "(" + expr + ") >= 0"}}})
	for _, a := range firing(t, groups, series, time.Hour, 50*time.Hour, []look{l})[l] {
		name := a.Labels.Get("domain")
		if want, ok := verdicts[name]; !ok || a.Value != want {
			t.Errorf("%s: verdict %v, want %v", name, a.Value, want)
		}
		delete(verdicts, name)
	}
	if len(verdicts) > 0 {
		t.Errorf("no verdict about %v", verdicts)
	}
}
