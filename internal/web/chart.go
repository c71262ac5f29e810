package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// bars is a bar for each day, of layers above each other, as SVG: a path for each
// layer, since a page may have many.
type bars struct {
	Label             string // what it shows, in words
	Width, Height     int
	Layers            []*layer // those with something in them, from below
	Base              string   // the line below
	FirstDay, LastDay string
	Large             bool
	Highest           string
	days              int64
}

// layer is a part of each bar.
type layer struct {
	Class, Word string
	Path        string
	sum         int64
}

// amount is what passed and what did not.
type amount struct{ good, bad int64 }

const (
	barWidth, barGap  = 5, 1
	lowBars, highBars = 24, 120
	mostBars          = 400
	leastHeight       = 1
)

// newBars draws what passed and what did not on the days of a period.
func newBars(p store.Period, of map[time.Time]amount, large bool) *bars {
	return draw(p, "Messages per day", []*layer{{Class: "good", Word: "passed"}, {Class: "bad", Word: "did not pass"}}, large, func(day time.Time) []int64 {
		return []int64{of[day].good, of[day].bad}
	})
}

// newClassBars draws how messages authenticated on the days of a period.
func newClassBars(p store.Period, of map[time.Time]map[tally.Class]int64) *bars {
	var layers []*layer
	for _, class := range tally.Classes() {
		layers = append(layers, &layer{Class: string(class), Word: wording.Class(class)})
	}
	return draw(p, "Messages per day", layers, true, func(day time.Time) (amounts []int64) {
		for _, class := range tally.Classes() {
			amounts = append(amounts, of[day][class])
		}
		return amounts
	})
}

// draw draws the days of a period; of returns how much is in each layer. Days
// without messages stay empty.
func draw(p store.Period, what string, layers []*layer, large bool, of func(day time.Time) []int64) *bars {
	b := &bars{Height: lowBars, Large: large, FirstDay: wording.Day(p.Since), LastDay: wording.Day(lastDay(p))}
	if large {
		b.Height = highBars
	}
	n := min(int(p.Until.Sub(p.Since)/(24*time.Hour)), mostBars)
	amounts := make([][]int64, n)
	highest := int64(1)
	for i := range n {
		amounts[i] = of(p.Since.AddDate(0, 0, i))
		highest = max(highest, sum(amounts[i]))
	}
	b.Highest = wording.Grouped(highest)
	paths := make([]strings.Builder, len(layers))
	for i := range n {
		if sum(amounts[i]) == 0 {
			continue
		}
		b.days++
		y := b.Height
		for j, high := range heights(amounts[i], highest, b.Height) {
			layers[j].sum += amounts[i][j]
			y -= high
			bar(&paths[j], i*(barWidth+barGap), y, high)
		}
	}
	b.Width = max(n*(barWidth+barGap)-barGap, 1)
	b.Base = fmt.Sprintf("M0 %dH%d", b.Height, b.Width)
	var words []string
	for i, l := range layers {
		if l.Path = paths[i].String(); l.sum > 0 {
			b.Layers, words = append(b.Layers, l), append(words, wording.Grouped(l.sum)+" "+l.Word)
		}
	}
	if words == nil {
		words = []string{"none"}
	}
	b.Label = fmt.Sprintf("%s, %s to %s: %s, on %s.", what, b.FirstDay, b.LastDay, strings.Join(words, ", "), wording.Plural(b.days, "day"))
	return b
}

func sum(amounts []int64) (all int64) {
	for _, n := range amounts {
		all = tally.Add(all, n)
	}
	return all
}

// heights returns how high the layers of a bar are. A few that fail among many are
// what one looks for: what is there can be seen, at the cost of the first layer.
func heights(amounts []int64, highest int64, room int) []int {
	all := make([]int, len(amounts))
	used := 0
	for i, n := range amounts {
		if n > 0 {
			all[i] = max(int(float64(n)/float64(highest)*float64(room)), leastHeight)
		}
		used += all[i]
	}
	for i := range all {
		less := min(max(used-room, 0), max(all[i]-leastHeight, 0))
		all[i], used = all[i]-less, used-less
	}
	return all
}

// bar adds a bar to a path.
func bar(path *strings.Builder, x, y, height int) {
	if height > 0 {
		fmt.Fprintf(path, "M%d %dh%dv%dh-%dz", x, y, barWidth, height, barWidth)
	}
}
