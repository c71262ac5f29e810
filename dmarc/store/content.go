package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
)

// sentJSON is what a record was sent with, where that was repaired.
type sentJSON struct {
	SourceIP    string `json:"source_ip,omitempty"`
	Disposition string `json:"disposition,omitempty"`
	DKIM        string `json:"dkim,omitempty"`
	SPF         string `json:"spf,omitempty"`
}

// contentColumns is how many columns of texts a content has, of which the last
// one, the sender, tells no contents apart.
const contentColumns = 11

// contentOf returns the columns of what a record has in common with others, in
// the order of sheetContents.
func contentOf(rec *dmarc.Record, source []byte, sender string) (columns [contentColumns]string) {
	reasons := make([]reportjson.Reason, 0, len(rec.Reasons))
	for _, r := range rec.Reasons {
		reasons = append(reasons, reportjson.Reason{Type: clean(r.Type), Comment: clean(r.Comment)})
	}
	dkim := make([]reportjson.DKIM, 0, len(rec.AuthDKIM))
	for i := range rec.AuthDKIM {
		a := &rec.AuthDKIM[i]
		dkim = append(dkim, reportjson.DKIM{
			Domain: clean(a.Domain), Selector: clean(a.Selector), Result: a.Result, RawResult: clean(a.RawResult), HumanResult: clean(a.HumanResult),
		})
	}
	spf := make([]reportjson.SPF, 0, len(rec.AuthSPF))
	for i := range rec.AuthSPF {
		a := &rec.AuthSPF[i]
		spf = append(spf, reportjson.SPF{
			Domain: clean(a.Domain), Scope: clean(a.Scope), Result: a.Result, RawResult: clean(a.RawResult), HumanResult: clean(a.HumanResult),
		})
	}
	sent := sentJSON{Disposition: clean(rec.RawDisposition), DKIM: clean(rec.RawDKIM), SPF: clean(rec.RawSPF)}
	if string(source) != rec.Source {
		sent.SourceIP = clean(rec.Source)
	}
	return [contentColumns]string{
		string(rec.Disposition), string(rec.DKIM), string(rec.SPF), clean(rec.HeaderFrom), clean(rec.EnvelopeFrom), clean(rec.EnvelopeTo),
		jsonText(reasons, len(reasons) > 0), jsonText(dkim, len(dkim) > 0), jsonText(spf, len(spf) > 0), jsonText(sent, sent != sentJSON{}), clean(sender),
	}
}

// jsonText returns the JSON of a value, or nothing for one that is empty.
func jsonText(v any, some bool) string {
	if !some {
		return ""
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // Strings and numbers have no values that JSON lacks.
	return strings.TrimSuffix(b.String(), "\n")
}

// clean makes a text one that every database takes.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// hashID returns the id of something by its bytes.
func hashID(b []byte) int64 {
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// appendKey appends everything that contentOf looks at, so that equal bytes
// mean equal columns.
func appendKey(b []byte, rec *dmarc.Record, source []byte) []byte {
	b = text.AppendFields(b, string(rec.Disposition), string(rec.DKIM), string(rec.SPF), rec.HeaderFrom, rec.EnvelopeFrom, rec.EnvelopeTo)
	b = text.AppendFields(b, rec.RawDisposition, rec.RawDKIM, rec.RawSPF)
	if string(source) != rec.Source {
		b = text.AppendFields(b, rec.Source)
	} else {
		b = append(b, 0)
	}
	for _, n := range [...]int{len(rec.Reasons), len(rec.AuthDKIM), len(rec.AuthSPF)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for i := range rec.Reasons {
		b = text.AppendFields(b, rec.Reasons[i].Type, rec.Reasons[i].Comment)
	}
	for i := range rec.AuthDKIM {
		a := &rec.AuthDKIM[i]
		b = text.AppendFields(b, a.Domain, a.Selector, string(a.Result), a.RawResult, a.HumanResult)
	}
	for i := range rec.AuthSPF {
		a := &rec.AuthSPF[i]
		b = text.AppendFields(b, a.Domain, a.Scope, string(a.Result), a.RawResult, a.HumanResult)
	}
	return b
}
