package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// objective is that of an SLO, as the compiled rules have it.
type objective struct {
	slo   string
	ratio float64
}

var objectiveRule = regexp.MustCompile(`([0-9.]+) \+ 0 \* slo:events:rate5m\{slo=\\*"([a-z-]+)\\*"\}`)

// objectives finds those of the rules that the demo loads.
func objectives(h *host, rules string) []objective {
	var out []objective
	for _, m := range objectiveRule.FindAllStringSubmatch(read(h, filepath.Join(rules, "rules.yaml")), -1) {
		ratio, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			h.Fatal(err)
		}
		out = append(out, objective{m[2], ratio})
	}
	if len(out) == 0 {
		h.Fatal("the rules have no objectives")
	}
	return out
}

const (
	historyDays = 30
	historyStep = 5 * time.Minute
	hour        = int(time.Hour / historyStep)
	day         = 24 * hour
	steps       = historyDays * day
)

// backfill gives Prometheus a month of recordings of objectives, so that there are
// budgets to look at: made up, and each with an incident.
func backfill(ctx context.Context, h *host, rules, tsdb string) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		fmt.Println("There is no promtool: budgets begin now.")
		return
	}
	file := filepath.Join(h.TempDir(), "history.txt")
	if err := writeHistory(file, objectives(h, rules), time.Now()); err != nil {
		h.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, promtool, "tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics", "--quiet", file, tsdb).CombinedOutput(); err != nil {
		h.Fatalf("promtool: %v\n%s", err, out)
	}
}

// writeHistory writes in the format of OpenMetrics, which wants the samples of a
// metric together.
func writeHistory(path string, all []objective, now time.Time) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	begin := now.Add(-historyDays * 24 * time.Hour).Truncate(historyStep)
	write := func(name string, value func(o, step int) float64) {
		for i, o := range all {
			for step := range steps {
				fmt.Fprintf(w, "%s{slo=%q,suite=\"dmarc-suite\"} %.5g %d\n", name, o.slo, value(i, step), begin.Add(time.Duration(step)*historyStep).Unix())
			}
		}
	}
	const events = 8
	spent := make([][]float64, len(all)) // how much of events was bad, up to each step
	for i, o := range all {
		spent[i] = make([]float64, steps+1)
		for step := range steps {
			rate := (0.2 + 0.05*float64(i%9)) * (1 + 0.5*math.Sin(2*math.Pi*float64(step)/float64(day)))
			if begins := steps * (3 + 2*(i%7)) / 20; step >= begins && step < begins+2*hour {
				rate += float64(20 + 10*(i%6))
			}
			spent[i][step+1] = spent[i][step] + min(rate*(1-o.ratio), 1)
		}
	}
	bad := func(o, step, last int) float64 { // of the last steps
		from := max(0, step+1-last)
		return (spent[o][step+1] - spent[o][from]) / float64(step+1-from)
	}
	write("slo:errors:rate5m", func(o, step int) float64 { return events * bad(o, step, 1) })
	write("slo:events:rate5m", func(int, int) float64 { return events })
	write("slo:objective:ratio", func(o, _ int) float64 { return all[o].ratio })
	write("slo:error_ratio:rate1h", func(o, step int) float64 { return bad(o, step, hour) })
	write("slo:error_ratio:rate6h", func(o, step int) float64 { return bad(o, step, 6*hour) })
	write("slo:error_ratio:rate3d", func(o, step int) float64 { return bad(o, step, 3*day) })
	write("slo:error_budget:remaining_ratio", func(o, step int) float64 { return 1 - spent[o][step+1]/(1-all[o].ratio)/float64(steps) })
	fmt.Fprintln(w, "# EOF")
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
