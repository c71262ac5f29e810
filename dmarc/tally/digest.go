package tally

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// digest hashes the content of a report as it was understood, so that another
// encoding, order or compression of the same records is the same content. It
// tells re-sent reports from contradicting ones and need not withstand an
// attacker: whoever can forge a report can as well forge another identity.
type digest struct {
	buf   []byte
	total uint64 // the sum over items is independent of their order
	items uint64
}

func (d *digest) reset() { d.total, d.items = 0, 0 }

// text adds a field to the current item.
func (d *digest) text(s string) {
	d.buf = binary.AppendUvarint(d.buf, uint64(len(s)))
	d.buf = append(d.buf, s...)
}

func (d *digest) number(n int64) { d.buf = binary.AppendVarint(d.buf, n) }

// end ends the current item.
func (d *digest) end() {
	sum := sha256.Sum256(d.buf)
	d.total += binary.BigEndian.Uint64(sum[:])
	d.items++
	d.buf = d.buf[:0]
}

func (d *digest) sum() (out [8]byte) {
	b := binary.BigEndian.AppendUint64(d.buf[:0], d.total)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(b, d.items))
	copy(out[:], sum[:])
	return out
}

// record adds a record. Comments and explanations for people are left out.
func (d *digest) record(rec *dmarc.Record) {
	d.text(rec.Source)
	d.number(rec.Count)
	for _, s := range [...]string{
		string(rec.Disposition), string(rec.DKIM), string(rec.SPF), rec.HeaderFrom, rec.EnvelopeFrom, rec.EnvelopeTo,
	} {
		d.text(s)
	}
	for i := range rec.Reasons {
		d.text(rec.Reasons[i].Type)
	}
	for i := range rec.AuthDKIM {
		a := &rec.AuthDKIM[i]
		d.text(a.Domain)
		d.text(a.Selector)
		d.text(string(a.Result))
	}
	for i := range rec.AuthSPF {
		a := &rec.AuthSPF[i]
		d.text(a.Domain)
		d.text(a.Scope)
		d.text(string(a.Result))
	}
	d.end()
}

// policy adds a policy of a TLS report.
func (d *digest) policy(p *tlsrpt.Policy) {
	d.text(string(p.Type))
	d.text(p.Domain)
	d.number(p.Successful)
	d.number(p.Failed)
	for i := range p.Details {
		d.text(string(p.Details[i].ResultType))
		d.text(p.Details[i].SendingMTA)
		d.text(p.Details[i].ReceivingMXHostname)
		d.number(p.Details[i].FailedSessions)
	}
	d.end()
}

// Key is what an identity is kept under: the day that the report ends on, which
// keeps the keys of a day together and makes adding and expiring them cheap; a
// hash of what twins have in common, which keeps them together as well; a hash
// of the identity.
type Key [KeySize]byte

const (
	daySize  = 4
	twinSize = 5 // enough to find twins by; their digests are compared
	hashSize = 12
	// KeySize is the size of a Key.
	KeySize = daySize + twinSize + hashSize
)

// Day returns the day that the report ends on.
func (k Key) Day() Day { return Day(binary.BigEndian.Uint32(k[:])) }

// Twins returns what the keys of twins begin with.
func (k Key) Twins() [daySize + twinSize]byte { return [daySize + twinSize]byte(k[:]) }

// Prefix returns what the keys of a day begin with.
func (d Day) Prefix() []byte { return binary.BigEndian.AppendUint32(nil, uint32(d)) }

// Key returns the key of an entry. Case is ignored in all but the report id.
func (e *Entry) Key() (k Key) {
	if e.As != nil {
		return *e.As
	}
	var begin, end [20]byte
	h := hasher{buf: make([]byte, 0, 256)}
	kind, org, domain := []byte(e.Kind), lower(e.Org), lower(e.Domain)
	b, t := strconv.AppendInt(begin[:0], e.Begin.Unix(), 10), strconv.AppendInt(end[:0], e.End.Unix(), 10)
	binary.BigEndian.PutUint32(k[:daySize], uint32(DayOf(e.End)))
	copy(k[daySize:daySize+twinSize], h.sum(kind, org, domain, b, t))
	copy(k[daySize+twinSize:], h.sum([]byte("v1"), kind, org, lower(e.Email), []byte(e.ReportID), domain, b, t))
	return k
}

// lower returns the lower case of s.
func lower(s string) []byte { return []byte(strings.ToLower(s)) }

// hasher hashes fields so that no two lists of fields are the same bytes.
type hasher struct {
	buf []byte
	out [sha256.Size]byte
}

func (h *hasher) sum(fields ...[]byte) []byte {
	b := h.buf[:0]
	for _, f := range fields {
		b = append(binary.AppendUvarint(b, uint64(len(f))), f...)
	}
	h.buf, h.out = b, sha256.Sum256(b)
	return h.out[:]
}
