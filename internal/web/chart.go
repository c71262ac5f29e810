package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// bars is a bar for each day, of what passed and of what did not, as SVG: a path
// for each of them, since a page may have many.
type bars struct {
	Label                 string // what it shows, in words
	Width, Height         int
	Good, Bad             string // paths
	Base                  string // the line below
	FirstDay, LastDay     string
	Large                 bool
	GoodWord, BadWord     string
	Highest               string
	goodSum, badSum, days int64
}

// amount is what a bar shows.
type amount struct{ good, bad int64 }

const (
	barWidth, barGap  = 5, 1
	lowBars, highBars = 24, 120
	goodWord, badWord = "pass", "fail"
	mostBars          = 400
	leastHeight       = 1
)

// newBars draws the days of a period. Days without messages stay empty.
func newBars(p store.Period, of map[time.Time]amount, large bool) *bars {
	b := &bars{Height: lowBars, Large: large, GoodWord: goodWord, BadWord: badWord, FirstDay: wording.Day(p.Since), LastDay: wording.Day(lastDay(p))}
	if large {
		b.Height = highBars
	}
	n := min(int(p.Until.Sub(p.Since)/(24*time.Hour)), mostBars)
	highest := int64(1)
	for i := range n {
		a := of[p.Since.AddDate(0, 0, i)]
		highest = max(highest, a.good+a.bad)
	}
	b.Highest = wording.Grouped(highest)
	var good, bad strings.Builder
	room := float64(b.Height)
	for i := range n {
		a := of[p.Since.AddDate(0, 0, i)]
		b.goodSum, b.badSum = b.goodSum+a.good, b.badSum+a.bad
		if a.good+a.bad == 0 {
			continue
		}
		b.days++
		x := i * (barWidth + barGap)
		high := func(n int64) int {
			h := int(float64(n) / float64(highest) * room)
			if n > 0 {
				h = max(h, leastHeight) // A few that fail among many are what one looks for.
			}
			return h
		}
		g, f := high(a.good), high(a.bad)
		g = min(g, b.Height-f)
		bar(&good, x, b.Height-g, g)
		bar(&bad, x, b.Height-g-f, f)
	}
	b.Width = max(n*(barWidth+barGap)-barGap, 1)
	b.Good, b.Bad = good.String(), bad.String()
	b.Base = fmt.Sprintf("M0 %dH%d", b.Height, b.Width)
	b.Label = fmt.Sprintf("Messages per day, %s to %s: %s passed and %s did not, on %s.", b.FirstDay, b.LastDay, wording.Grouped(b.goodSum), wording.Grouped(b.badSum), wording.Plural(b.days, "day"))
	return b
}

// bar adds a bar to a path.
func bar(path *strings.Builder, x, y, height int) {
	if height > 0 {
		fmt.Fprintf(path, "M%d %dh%dv%dh-%dz", x, y, barWidth, height, barWidth)
	}
}

// name says what is shown, where it is not messages.
func (b *bars) name(what, good, bad string) {
	b.GoodWord, b.BadWord = good, bad
	b.Label = fmt.Sprintf("%s, %s to %s: %s %s and %s %s, on %s.", what, b.FirstDay, b.LastDay, wording.Grouped(b.goodSum), good, wording.Grouped(b.badSum), bad, wording.Plural(b.days, "day"))
}
