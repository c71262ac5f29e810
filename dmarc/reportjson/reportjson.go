package reportjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Header is what the lines of all kinds have in common.
type Header struct {
	// Path is where the report was found: a file, or a source and its input.
	Path string `json:"path"`
	// Document is the name of the document within that, if it was in a container.
	Document string      `json:"document,omitempty"`
	Kind     unpack.Kind `json:"kind"`
	// Org is the name of the reporter, or the domain of one without a name.
	Org      string `json:"org"`
	Email    string `json:"email"`
	ReportID string `json:"report_id"`
	// Domain is the domain whose policy the report is about.
	Domain string    `json:"domain"`
	Begin  time.Time `json:"begin,omitzero"`
	End    time.Time `json:"end,omitzero"`
	// Received is when the report was kept: in an archive, or in a store that was exported.
	Received time.Time `json:"received,omitzero"`
}

// Head returns h; it makes what embeds a Header a Line.
func (h *Header) Head() *Header { return h }

// SameReport reports whether the lines of both are of one report. A TLS report is
// about several domains.
func (h *Header) SameReport(other *Header) bool {
	return h.Kind == other.Kind && h.Org == other.Org && h.Email == other.Email && h.ReportID == other.ReportID &&
		h.Begin.Equal(other.Begin) && h.End.Equal(other.End) && h.Path == other.Path && h.Received.Equal(other.Received) &&
		(h.Domain == other.Domain || h.Kind == unpack.KindTLS)
}

// Line is a *Record, a *Policy or a *Failure.
type Line interface {
	// Head returns what the lines of all kinds have in common.
	Head() *Header
}

// Write writes a value as one line of JSON, for people to read as well: < and &
// stay as they are, and Escape has been there.
func Write(w io.Writer, line any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(line)
	if err == nil {
		_, err = w.Write(Escape(b.Bytes()))
	}
	return err
}

// Escape returns the same JSON with everything escaped that has no shape, not only what
// JSON forbids: it would steer a terminal, or show a text in another order than it has.
func Escape(text []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(text); {
		if text[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if !strconv.IsPrint(r) {
			out = append(out, text[done:i]...)
			for _, unit := range utf16.AppendRune(nil, r) {
				out = fmt.Appendf(out, "\\u%04x", unit)
			}
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

// orEmpty makes an empty list of none, so that JSON has [] and not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
