package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// rhythmDays is how long the synthetic mail goes on; what dies dies on day 60.
const (
	rhythmDays = 90
	dies       = 60
)

// TestRhythm holds that 90 days of mail as companies send it make no false alert
// about silence, and that all that really stops is found: domains that rest at
// weekends and holidays, reporters that come now and then, pods that move, a
// scrape gap.
func TestRhythm(t *testing.T) {
	weekday := func(day int) bool { return day%7 < 5 && day != 49 && day != 73 && day != 74 } // a Monday, a Thursday and the Friday after it
	every := func(n int) func(int) bool { return func(day int) bool { return day%n == 0 } }
	until := func(f func(int) bool) func(int) bool { return func(day int) bool { return day < dies && f(day) } }
	series := map[string]string{}
	for name, on := range map[string]func(int) bool{
		"daily": every(1), "office": weekday, "daily-dead": until(every(1)), "office-dead": until(weekday),
	} {
		rhythm(series, `dmarc_report_last_end_timestamp_seconds{job="mail", instance="%s", domain="`+name+`"}`, on, true)
		rhythm(series, `dmarc_source_last_success_timestamp_seconds{job="mail", instance="%s", source="`+name+`"}`, on, true)
	}
	for name, on := range map[string]func(int) bool{
		"daily": every(1), "office": weekday, "fifth": every(5), "rare": every(23), "daily-dead": until(every(1)), "office-dead": until(weekday),
	} {
		rhythm(series, `dmarc_reporter_messages_total{job="mail", instance="%s", reporter="`+name+`"}`, on, false)
	}
	alerts := []string{"DMARCDomainSilent", "DMARCIngestionStalled", "DMARCReporterMissing"}
	g := mixin(t).group(t, "dmarc-suite-dmarc")
	g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r rule) bool { return !slices.Contains(alerts, r.Alert) })
	var looks []look
	for h := 0; h < rhythmDays*24; h += 12 {
		for _, a := range alerts {
			looks = append(looks, look{time.Duration(h) * time.Hour, a})
		}
	}
	found := map[string]time.Duration{}
	for l, firing := range firing(t, []group{g}, series, time.Hour, 12*time.Hour, looks) {
		for _, a := range firing {
			who := a.Labels.Get("domain") + a.Labels.Get("source") + a.Labels.Get("reporter")
			if !strings.HasSuffix(who, "-dead") || l.at < dies*24*time.Hour {
				t.Errorf("%s of %s fires after %s", l.alert, who, l.at)
			}
			if at, ok := found[l.alert+" "+who]; !ok || l.at < at {
				found[l.alert+" "+who] = l.at
			}
		}
	}
	for _, a := range alerts {
		for who, days := range map[string]int{"daily-dead": 5, "office-dead": 9} {
			if at, ok := found[a+" "+who]; !ok || at > time.Duration(dies+days)*24*time.Hour {
				t.Errorf("%s of %s is found after %s, want day %d", a, who, at, dies+days)
			}
		}
	}
}

// rhythm adds a series that grows at 8 in the morning after each day with mail,
// of two pods: the second takes over on day 30, and an hour of day 40 is lost.
func rhythm(series map[string]string, format string, on func(day int) bool, timestamp bool) {
	value := 0
	pods := [2]strings.Builder{}
	for h := range rhythmDays * 24 {
		if day := h/24 - 1; h%24 == 8 && day >= 0 && on(day) {
			if value += 100; timestamp {
				value = h * 3600
			}
		}
		for pod := range pods {
			if (h < 30*24) == (pod == 0) && h != 40*24+11 {
				fmt.Fprintf(&pods[pod], "%d ", value)
			} else {
				pods[pod].WriteString("_ ")
			}
		}
	}
	for pod := range pods {
		series[fmt.Sprintf(format, []string{"10.0.0.1:9797", "10.0.0.2:9797"}[pod])] = pods[pod].String()
	}
}
