package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
)

// row matches a flag in docs/flags: name, default, environment, meaning.
var row = regexp.MustCompile("^\\| `(.+?)` \\| (.*?) \\| (.*?) \\| (.*) \\|$")

// manual returns the manual page, made from the generated table of flags.
func (s source) manual() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.root, "docs/flags", s.binary+".md"))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s \"dmarc-suite %s\" \"User Commands\"\n.ad l\n", strings.ToUpper(s.binary), s.archive.Time.Format("2006-01-02"), s.archive.Version)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", s.binary, roff(descriptions[s.binary]))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[\\fIcommand\\fR] [\\fIflags\\fR]\n", s.binary)
	fmt.Fprintf(&b, ".SH DESCRIPTION\nThe service %s.service runs it with the options in /etc/default/%s.\n.SH OPTIONS\n", s.binary, s.binary)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if command, ok := strings.CutPrefix(line, "## "); ok {
			fmt.Fprintf(&b, ".SS \"Command %s\"\n", roff(command))
		}
		if m := row.FindStringSubmatch(line); m != nil && m[1] != "flag" {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s", roff(m[1]), roff(m[4]))
			if m[2] != "" {
				fmt.Fprintf(&b, " Default: %s.", roff(m[2]))
			}
			if m[3] != "" {
				fmt.Fprintf(&b, " Environment: %s.", roff(m[3]))
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&b, ".SH SEE ALSO\n%s, package %s\n", homepage, archive.Dashed(s.binary))
	return []byte(b.String()), nil
}

// roff escapes what groff would read as a command, and drops the marks of Markdown.
func roff(s string) string {
	s = strings.NewReplacer("`", "", `\_`, "_", `\*`, "*", `\|`, "|", `\<`, "<").Replace(s)
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...", "|", `|\:`).Replace(s) // A line may break after a bar: lists in patterns are long.
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
