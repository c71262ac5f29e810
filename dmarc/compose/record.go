package compose

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// appendRecord appends a record without its count in a form that is the same for
// equal records and only for these. The address comes first.
func appendRecord(b []byte, rec *dmarc.Record) []byte {
	address := rec.SourceIP.AsSlice()
	b = append(append(b, byte(len(address))), address...)
	b = text.AppendFields(b, string(rec.Disposition), string(rec.DKIM), string(rec.SPF), rec.HeaderFrom, rec.EnvelopeFrom, rec.EnvelopeTo)
	b = binary.AppendUvarint(b, uint64(len(rec.Reasons)))
	for _, r := range rec.Reasons {
		b = text.AppendFields(b, r.Type, r.Comment)
	}
	b = binary.AppendUvarint(b, uint64(len(rec.AuthDKIM)))
	for i := range rec.AuthDKIM {
		a := &rec.AuthDKIM[i]
		b = text.AppendFields(b, a.Domain, a.Selector, string(a.Result), a.HumanResult)
	}
	b = binary.AppendUvarint(b, uint64(len(rec.AuthSPF)))
	for i := range rec.AuthSPF {
		a := &rec.AuthSPF[i]
		b = text.AppendFields(b, a.Domain, a.Scope, string(a.Result), a.HumanResult)
	}
	return b
}

// errRow is what a file of rows that somebody changed gives.
var errRow = errors.New("a row is damaged")

// readRecord is the reverse of appendRecord. It reuses the slices of rec.
func readRecord(key string, rec *dmarc.Record) error {
	*rec = dmarc.Record{Reasons: rec.Reasons[:0], AuthDKIM: rec.AuthDKIM[:0], AuthSPF: rec.AuthSPF[:0]}
	r := reader{rest: key}
	if address := r.text(); address != "" {
		rec.SourceIP, _ = netip.AddrFromSlice([]byte(address))
		rec.Source = rec.SourceIP.String()
	}
	rec.Disposition, rec.DKIM, rec.SPF = dmarc.Disposition(r.text()), dmarc.Evaluation(r.text()), dmarc.Evaluation(r.text())
	rec.HeaderFrom, rec.EnvelopeFrom, rec.EnvelopeTo = r.text(), r.text(), r.text()
	for range r.count() {
		rec.Reasons = append(rec.Reasons, dmarc.OverrideReason{Type: r.text(), Comment: r.text()})
	}
	for range r.count() {
		rec.AuthDKIM = append(rec.AuthDKIM, dmarc.DKIMAuth{Domain: r.text(), Selector: r.text(), Result: dmarc.AuthResult(r.text()), HumanResult: r.text()})
	}
	for range r.count() {
		rec.AuthSPF = append(rec.AuthSPF, dmarc.SPFAuth{Domain: r.text(), Scope: r.text(), Result: dmarc.AuthResult(r.text()), HumanResult: r.text()})
	}
	if r.damaged || r.rest != "" {
		return errRow
	}
	return nil
}

// reader reads an encoded record.
type reader struct {
	rest    string
	damaged bool
}

func (r *reader) count() uint64 {
	if len(r.rest) > 0 && int(r.rest[0]) < min(0x80, len(r.rest)) { // one byte, as nearly all are
		n := uint64(r.rest[0])
		r.rest = r.rest[1:]
		return n
	}
	n, size := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.rest, r.damaged = "", true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() string {
	n := r.count()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}
