package store

import (
	"os"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Details are what is kept of one report beside its counts. Close them when
// their delivery is committed or given up.
type Details struct {
	header   *header // of an aggregate report
	email    string
	kept     int64 // records
	named    bool  // some of them have a sender
	policies [][]any
	sessions [][]any
	failed   []any
	spill    spill
}

// Original keeps the mail of a failure report as it was received, with
// everything personal in it.
func (d *Details) Original(mail []byte) {
	if d != nil && len(d.failed) > 0 {
		d.failed[len(d.failed)-1] = mail
	}
}

// Close drops the details. Nil ones have nothing to drop.
func (d *Details) Close() {
	if d != nil {
		d.spill.close()
	}
}

// Memory returns the bytes of records and mails that the details hold in memory.
func (d *Details) Memory() int {
	if d == nil {
		return 0
	}
	n := len(d.spill.memory)
	if len(d.failed) > 0 {
		mail, _ := d.failed[len(d.failed)-1].([]byte) // nil unless it is kept
		n += len(mail)
	}
	return n
}

func (d *Details) empty() bool {
	return d.header == nil && d.spill.size == 0 && d.policies == nil && d.failed == nil && d.spill.err == nil
}

// header is what aggregate reports have in common.
type header struct {
	id      int64
	columns []any // of sheetHeaders, after the month
}

// headerOf returns the columns of sheetHeaders after the month.
func headerOf(r *dmarc.Report) []any {
	errs := make([]string, len(r.Metadata.Errors))
	for i, e := range r.Metadata.Errors {
		errs[i] = clean(e)
	}
	var pct any
	if r.Policy.Pct != nil {
		pct = int64(*r.Policy.Pct)
	}
	p := &r.Policy
	return []any{
		textOf(r.Version), textOf(r.Namespace), textOf(r.Metadata.Generator), textOf(r.Metadata.ExtraContactInfo), textOf(jsonText(errs, len(errs) > 0)),
		textOf(string(p.P)), textOf(string(p.SP)), textOf(string(p.NP)), textOf(string(p.ADKIM)), textOf(string(p.ASPF)), pct,
		textOf(p.Fo), textOf(p.Testing), textOf(p.DiscoveryMethod),
	}
}

// spillMemory is how much a spill holds in memory.
const spillMemory = 64 << 10

// The least and the most that a spill takes before it is known what it needs.
const (
	smallSpill = 768
	largeSpill = 4 << 10
)

// spill collects bytes, of which many go to a temporary file.
type spill struct {
	dir    string
	usual  int // bytes that are room for a report like the one before
	memory []byte
	file   *os.File
	size   int64
	err    error
}

// Write adds bytes. What goes wrong is in err.
func (s *spill) Write(p []byte) {
	if s.err != nil {
		return
	}
	s.size += int64(len(p))
	if s.memory == nil {
		s.memory = make([]byte, 0, max(smallSpill, s.usual, len(p)))
	}
	s.memory = append(s.memory, p...)
	if len(s.memory) < spillMemory {
		return
	}
	if s.file == nil {
		if s.file, s.err = os.CreateTemp(s.dir, ".dmarc-report-*"); s.err != nil {
			return
		}
		// Where the system allows it, the file is gone even if the process is killed.
		_ = os.Remove(s.file.Name())
	}
	if _, s.err = s.file.Write(s.memory); s.err == nil {
		s.memory = s.memory[:0]
	}
}

func (s *spill) close() {
	if s.file != nil {
		_ = s.file.Close() // It has no name any more.
		s.file = nil
	}
	s.memory = nil
}
