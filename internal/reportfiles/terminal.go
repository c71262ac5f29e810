package reportfiles

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress tells a person at a terminal how far a long run is.
type progress struct {
	w     io.Writer
	next  time.Time
	shown bool
}

// The progress is shown when a run takes longer than progressAfter, and renewed
// each progressEvery.
const (
	progressAfter = 2 * time.Second
	progressEvery = 200 * time.Millisecond
)

// newProgress returns nil, which shows nothing, unless w is a terminal.
func newProgress(w io.Writer) *progress {
	if file, ok := w.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return &progress{w: w, next: time.Now().Add(progressAfter)}
}

// show shows how far it is: a text, or what prints as one.
func (p *progress) show(far any) {
	if p == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(progressEvery), true
	fmt.Fprintf(p.w, "\r\x1b[K%s", far)
}

func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// Width returns how many columns the terminal has that w is, 0 if it is none.
func Width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}
