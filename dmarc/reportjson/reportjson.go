package reportjson

import (
	"encoding/json"
	"io"
	"time"

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
// stay as they are.
func Write(w io.Writer, line any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(line)
}

// orEmpty makes an empty list of none, so that JSON has [] and not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
