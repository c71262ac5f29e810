package tests

import (
	"fmt"
	"math/rand/v2"
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

// kind is mail as somebody sends it.
type kind struct {
	name, text string
	on         func(day int) bool
	found      int // days after which its end is found at the latest; 0 if never
	rests      int // longer rests than 14 days, which are an alert about domains and sources
}

func kinds() []kind {
	every := func(n int) func(int) bool { return func(day int) bool { return day%n == 0 } }
	weekday := func(day int) bool { return day%7 < 5 && day != 49 && day != 73 && day != 74 } // a Monday, a Thursday and the Friday after it
	dice := rand.New(rand.NewPCG(1, 0))
	var thrown [rhythmDays + 1]bool
	for day := range thrown {
		thrown[day] = dice.Float64() < 0.85
	}
	return []kind{
		{"daily", "each day", every(1), 5, 0},
		{"often", "on 85 of 100 days, at random", func(day int) bool { return thrown[day] }, 9, 0},
		{"office", "on weekdays, with three public holidays", weekday, 9, 0},
		{"fifth", "each fifth day", every(5), 15, 0},
		{"weekly", "once a week", every(7), 15, 0},
		{"rare", "each 23rd day", every(23), 0, 4},
	}
}

// TestRhythm holds that 90 days of mail as companies send it make no false alert
// about silence, and that all that really stops is found: domains that rest at
// weekends and holidays, reporters that come now and then, pods that move, a
// scrape gap. What it finds is docs/rhythm.md.
func TestRhythm(t *testing.T) {
	series := map[string]string{}
	for _, k := range kinds() {
		until := func(day int) bool { return day < dies && k.on(day) }
		for name, on := range map[string]func(int) bool{k.name: k.on, k.name + "-dead": until} {
			rhythm(series, `dmarc_report_last_end_timestamp_seconds{job="mail", instance="%s", domain="`+name+`"}`, on, true)
			rhythm(series, `dmarc_source_last_success_timestamp_seconds{job="mail", instance="%s", source="`+name+`"}`, on, true)
			rhythm(series, `dmarc_reporter_messages_total{job="mail", instance="%s", reporter="`+name+`"}`, on, false)
		}
	}
	alerts := []string{"DMARCDomainSilent", "DMARCIngestionStalled", "DMARCReporterMissing"}
	g := mixin(t).group(t, "dmarc-suite-dmarc")
	g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r rule) bool { return !slices.Contains(alerts, r.Alert) })
	for i := range g.Rules {
		g.Rules[i].For = "" // It is looked at once a day.
	}
	var looks []look
	for h := 0; h < rhythmDays*24; h += 24 {
		for _, a := range alerts {
			looks = append(looks, look{time.Duration(h) * time.Hour, a})
		}
	}
	fired := map[string][]time.Duration{}
	for l, firing := range firing(t, []group{g}, series, time.Hour, 24*time.Hour, looks) {
		for _, a := range firing {
			who := l.alert + " " + a.Labels.Get("domain") + a.Labels.Get("source") + a.Labels.Get("reporter")
			fired[who] = append(fired[who], l.at)
		}
	}
	var table strings.Builder
	table.WriteString(rhythmHead)
	for _, k := range kinds() {
		fmt.Fprintf(&table, "| %s |", k.text)
		for _, a := range alerts {
			falsely, after := rests(fired[a+" "+k.name]), found(fired[a+" "+k.name+"-dead"])
			want := k.rests
			if a == "DMARCReporterMissing" {
				want = 0
			}
			if falsely > want || want == 0 && found(fired[a+" "+k.name]) >= 0 {
				t.Errorf("%s of %s fires for %d rests, want %d", a, k.name, falsely, want)
			}
			if k.found > 0 && (after < 0 || after > k.found) {
				t.Errorf("%s of %s is found after %d days, want %d", a, k.name, after, k.found)
			}
			cell := "–"
			if k.found > 0 {
				cell = fmt.Sprintf("%d days", after)
			}
			fmt.Fprintf(&table, " %d | %s |", falsely, cell)
		}
		table.WriteString("\n")
	}
	if !t.Failed() {
		compare(t, "../../docs/rhythm.md", []byte(table.String()))
	}
}

const rhythmHead = `# What silence is found by

<!-- Generated from mixin/ by make generate. Do not edit. -->

90 days of made-up mail: reports come at eight in the morning after a day with mail, the exporter moves to another pod on day
30, and an hour of day 40 is not scraped. Each kind of mail goes on, and stops for good on day 60 a second time. For each alert:
rests of what goes on that were an alert, and after how many days the end of what stopped was found. Domains and mailboxes that rest
for more than two weeks are an alert each time: parkedDomains and ignoredReporters of the configuration leave them out.

| mail comes | DMARCDomainSilent: false | found after | DMARCIngestionStalled: false | found after | DMARCReporterMissing: false | found after |
| --- | --- | --- | --- | --- | --- | --- |
`

// rests returns how many times an alert fired, of looks once a day.
func rests(at []time.Duration) (n int) {
	slices.Sort(at)
	for i := range at {
		if i == 0 || at[i]-at[i-1] > 24*time.Hour {
			n++
		}
	}
	return n
}

// found returns the days from the end of what stopped until its alert, -1 without one.
func found(at []time.Duration) int {
	for _, a := range slices.Sorted(slices.Values(at)) {
		if a >= dies*24*time.Hour {
			return int((a - dies*24*time.Hour + 24*time.Hour - 1) / (24 * time.Hour))
		}
	}
	return -1
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
