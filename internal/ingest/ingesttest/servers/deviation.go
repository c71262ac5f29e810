// Package servers has small servers of mail and objects that differ from the rules of their
// protocols as real ones do, each in one way.
package servers

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Deviation is a way in which a server differs from a plain one.
type Deviation struct {
	Name string
	// Want is where the mails are in the end: a folder; "flagged" or "stay" in
	// the one that is read; "gone".
	Want string
	// Outage is how long a deviation in time fails; 0 means twice.
	Outage time.Duration
	rules  []rule
}

// failures counts what fails for a while. The caller holds the lock of the server.
type failures struct {
	n     int
	first time.Time
}

// next reports whether a deviation in time fails once more, and counts it.
func (f *failures) next(d *Deviation) bool {
	const usual = 2
	if f.n == 0 {
		f.first = time.Now()
	}
	if d.Outage == 0 && f.n == usual || d.Outage > 0 && time.Since(f.first) > d.Outage {
		return false
	}
	f.n++
	return true
}

// rule rewrites the lines that answer some commands.
type rule struct {
	command, line *regexp.Regexp
	with          string
}

//go:embed imap.tsv
var imapDeviations string

//go:embed pop3.tsv
var pop3Deviations string

// IMAPDeviations are those of IMAP servers.
func IMAPDeviations() []Deviation { return read(imapDeviations) }

// POP3Deviations are those of POP3 servers.
func POP3Deviations() []Deviation { return read(pop3Deviations) }

// read reads deviations: a name, where the mails end, which commands, which
// lines of their answers, and what is said instead. A line without a name adds a
// rule to the deviation before. The texts are ours, so that a mistake is a panic.
func read(text string) (all []Deviation) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) != 5 {
			panic(fmt.Sprintf("%d fields in %q, want 5", len(fields), line))
		}
		if fields[0] != "" {
			all = append(all, Deviation{Name: fields[0], Want: fields[1]})
		}
		with, err := strconv.Unquote(`"` + strings.ReplaceAll(fields[4], `"`, `\"`) + `"`)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", fields[4], err))
		}
		last := &all[len(all)-1]
		last.rules = append(last.rules, rule{regexp.MustCompile(fields[2]), regexp.MustCompile(fields[3]), with})
	}
	return all
}

// passing reports whether the deviation is one in time.
func (d *Deviation) passing() bool {
	_, ok := webFailures[d.Name]
	return ok || strings.HasSuffix(d.Name, "for a while")
}

// Said is what a server of the deviation says instead of what it should.
func (d *Deviation) Said() (all []string) {
	for _, r := range d.rules {
		all = append(all, r.with)
	}
	return all
}

// rewrite returns a line of the answer to a command as the deviation has it.
func (d *Deviation) rewrite(command, line string) string {
	for _, r := range d.rules {
		if r.command.MatchString(command) && r.line.MatchString(line) {
			line = r.line.ReplaceAllString(line, r.with)
		}
	}
	return line
}
