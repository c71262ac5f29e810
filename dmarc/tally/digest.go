package tally

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
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
	hash  hash.Hash
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
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.hash.Reset()
	d.hash.Write(d.buf)
	var sum [sha256.Size]byte
	d.total += binary.BigEndian.Uint64(d.hash.Sum(sum[:0]))
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

// key is a key of the identities: the day that the report ends on, which keeps
// the keys of a day together and makes adding and expiring them cheap; a hash
// of what twins have in common, which keeps them together as well; a hash of
// the identity.
type key [keySize]byte

const (
	daySize  = 4
	twinSize = 5 // enough to find twins by; their digests are compared
	hashSize = 12
	keySize  = daySize + twinSize + hashSize
)

// key returns the key of an entry.
func (e *Entry) key() (k key) {
	begin, end := strconv.FormatInt(e.Begin.Unix(), 10), strconv.FormatInt(e.End.Unix(), 10)
	org, domain := strings.ToLower(e.Org), strings.ToLower(e.Domain)
	binary.BigEndian.PutUint32(k[:daySize], dayOf(e.End))
	twin := hashFields(string(e.Kind), org, domain, begin, end)
	copy(k[daySize:], twin[:twinSize])
	identity := hashFields("v1", string(e.Kind), org, strings.ToLower(e.Email), e.ReportID, domain, begin, end)
	copy(k[daySize+twinSize:], identity[:hashSize])
	return k
}

// hashFields hashes fields so that no two lists of fields are the same bytes.
func hashFields(fields ...string) [sha256.Size]byte {
	var b []byte
	for _, f := range fields {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return sha256.Sum256(b)
}
